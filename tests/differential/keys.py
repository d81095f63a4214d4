"""Keys that follow from a seed, and signatures by them; made with `cryptography` alone."""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
# The number of points of each curve's group: greater numbers are no part of a signature.
ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    "EdDSA": 2**252 + 27742317777372353535851937790883648493,
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def prime(rng, bits):
    """A prime with its two highest bits set, by 40 rounds of Miller and Rabin."""
    while True:
        candidate = rng.getrandbits(bits) | (3 << (bits - 2)) | 1
        if any(candidate % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
            continue
        if (candidate - 1) % 65537 == 0:
            continue
        odd, twos = candidate - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1

        def witness(base):
            value = pow(base, odd, candidate)
            if value in (1, candidate - 1):
                return False
            for _ in range(twos - 1):
                value = value * value % candidate
                if value == candidate - 1:
                    return False
            return True

        if not any(witness(rng.randrange(2, candidate - 1)) for _ in range(40)):
            return candidate


def rsa_key(rng):
    p, q, e = prime(rng, 1024), prime(rng, 1024), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q)
    )
    return numbers.private_key()


def kid_of(algorithm):
    return {"R": "rsa", "P": "rsa"}.get(algorithm[0]) or {
        "ES256": "p256",
        "ES384": "p384",
        "EdDSA": "ed",
    }[algorithm]


class Keys:
    """One key of each type: the issuer's, or a stranger's."""

    def __init__(self, rng):
        self.rsa = rsa_key(rng)
        self.p256 = ec.derive_private_key(rng.getrandbits(255) + 1, ec.SECP256R1())
        self.p384 = ec.derive_private_key(rng.getrandbits(383) + 1, ec.SECP384R1())
        self.ed = ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))

    def jwks(self):
        public = self.rsa.public_key().public_numbers()
        keys = [{"kty": "RSA", "kid": "rsa", "n": number(public.n), "e": number(public.e)}]
        for kid, curve, size in (("p256", "P-256", 32), ("p384", "P-384", 48)):
            point = getattr(self, kid).public_key().public_numbers()
            x, y = number(point.x, size), number(point.y, size)
            keys.append({"kty": "EC", "crv": curve, "kid": kid, "x": x, "y": y})
        x = b64(self.ed.public_key().public_bytes_raw())
        keys.append({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x})
        return {"keys": keys}

    def sign(self, algorithm, data, salt=None):
        family, digest = algorithm[:2], HASHES.get(algorithm[2:])
        if family == "RS":
            return self.rsa.sign(data, padding.PKCS1v15(), digest())
        if family == "PS":
            pss = padding.PSS(padding.MGF1(digest()), salt or digest.digest_size)
            return self.rsa.sign(data, pss, digest())
        if family == "ES":
            key, size = (self.p256, 32) if algorithm == "ES256" else (self.p384, 48)
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest())))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return self.ed.sign(data)
