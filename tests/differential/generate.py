"""Tokens, good and bad, with the verdict of an independent library (joserfc) on each.

`generate.py FILE` writes one JSON object a line: first what both sides are told (keys, issuer,
audience, time), then the tokens, each with its class. `filter/core/tests/differential.rs` asks the
gate about the same tokens and compares. Which tokens are made follows from SEED alone; only the
randomness inside RSA-PSS and ECDSA signatures differs from run to run.
"""

import hmac
import json
import random
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from keys import ALGORITHMS, ORDERS, Keys, b64, kid_of, unb64

SEED = 20261124
NOW = 1_800_000_000
LEEWAY = 30
ISSUER = "https://idp.example.com"
AUDIENCE = "https://api.example.com"
# So many tokens of each class: enough for each algorithm, boundary and choice to occur.
PER_CLASS = 27

rng = random.Random(SEED)
OURS, STRANGER = Keys(rng), Keys(rng)


def claims():
    issued = NOW - rng.randrange(0, 600)
    names = {
        "iss": ISSUER,
        "sub": rng.choice(["alice", "bob", "auth0|5f7", "spiffe://example.org/a", "zo\u00eb", "\u5f20"]),
        "aud": rng.choice([AUDIENCE, [AUDIENCE], ["https://other.example", AUDIENCE]]),
        "client_id": "app-" + str(rng.randrange(10)),
        "jti": "t-" + str(rng.getrandbits(64)),
        "iat": issued,
        "exp": NOW + rng.randrange(1, 1200),
        "scope": rng.choice(["read", "read write", ""]),
    }
    if rng.random() < 0.3:
        names["nbf"] = issued
    if rng.random() < 0.3:
        names["act"] = {"sub": "agent-7", "act": {"sub": "planner"}}
    if rng.random() < 0.3:
        names["groups"] = ["g" + str(place) for place in range(rng.randrange(20))]
    return names


class Token:
    """A token in the making: change what is to be changed, then `text`."""

    def __init__(self, algorithm=None):
        self.algorithm = algorithm or rng.choice(ALGORITHMS)
        self.header = {"alg": self.algorithm, "typ": "at+jwt", "kid": kid_of(self.algorithm)}
        self.claims = claims()
        self.keys = OURS
        self.header_text = None
        self.payload_text = None
        self.salt = None

    def parts(self):
        header = self.header_text or json.dumps(self.header).encode()
        payload = self.payload_text or json.dumps(self.claims, ensure_ascii=False).encode()
        signed = f"{b64(header)}.{b64(payload)}"
        return [b64(header), b64(payload)], self.keys.sign(self.algorithm, signed.encode(), self.salt)

    def text(self):
        parts, signature = self.parts()
        return ".".join([*parts, b64(signature)])


CLASSES = {}


def token_class(make):
    CLASSES[make.__name__] = make
    return make


def changed(name, *values, also=None):
    """A class: a good token with one claim of these values."""

    def make():
        token = Token()
        value = rng.choice(values)
        token.claims[name] = value() if callable(value) else value
        if also:
            token.claims.update(also())
        return token.text()

    return make


def without(name):
    def make():
        token = Token()
        token.claims.pop(name)
        return token.text()

    return make


def with_header(name, *values):
    def make():
        token = Token()
        token.header[name] = rng.choice(values)
        return token.text()

    return make


def raw_payload(change):
    """A class: the payload's bytes changed before it is signed."""

    def make():
        token = Token()
        token.payload_text = change(json.dumps(token.claims).encode())
        return token.text()

    return make


def raw_header(change):
    def make():
        token = Token()
        token.header_text = change(json.dumps(token.header).encode())
        return token.text()

    return make


def respelled(change):
    """A class: the finished token's text changed."""
    return lambda: change(Token().text())


def member(text):
    """Puts `text` before the first member of an object."""
    return lambda document: b"{" + text + b"," + document[1:]


def flip(text):
    place = rng.randrange(len(text))
    other = rng.choice([c for c in "ABCabc012-_" if c != text[place]])
    return text[:place] + other + text[place + 1 :]


def in_part(part, change):
    def make(text):
        parts = text.split(".")
        parts[part] = change(parts[part])
        return ".".join(parts)

    return make


# --- good ones
@token_class
def good():
    return Token().text()


@token_class
def good_with_escapes():
    token = Token()
    token.payload_text = json.dumps(token.claims).replace("alice", "\\u0061lice").encode()
    return token.text()


@token_class
def good_ed25519_by_its_new_name():
    token = Token("EdDSA")
    token.header["alg"] = "Ed25519"
    return token.text()


# --- signatures
CLASSES |= {
    "signature_changed": respelled(in_part(2, lambda part: flip(part[:-1]) + part[-1])),
    "payload_changed": respelled(in_part(1, flip)),
    "header_changed": respelled(in_part(0, flip)),
    "signature_empty": respelled(in_part(2, lambda part: "")),
    "signature_cut": respelled(in_part(2, lambda part: part[: len(part) // 4 // 2 * 4])),
    "signature_longer": respelled(in_part(2, lambda part: b64(unb64(part) + b"\0"))),
    "signature_behind_a_zero": respelled(in_part(2, lambda part: b64(b"\0" + unb64(part)))),
    "signature_of_zeros": respelled(in_part(2, lambda part: b64(bytes(len(unb64(part)))))),
}


@token_class
def strangers_key():
    token = Token()
    token.keys = STRANGER
    return token.text()


@token_class
def strangers_key_in_the_header():
    token = Token("ES256")
    token.keys = STRANGER
    token.header["jwk"] = STRANGER.jwks()["keys"][1]
    return token.text()


@token_class
def psychic_signature():
    token = Token(rng.choice(["ES256", "ES384"]))
    parts, signature = token.parts()
    size, order = len(signature) // 2, ORDERS[token.algorithm]
    r, s = rng.choice([(0, 0), (0, 1), (1, 0), (order, 1), (1, order), (order, order)])
    return ".".join([*parts, b64(r.to_bytes(size, "big") + s.to_bytes(size, "big"))])


@token_class
def ecdsa_twin():
    token = Token(rng.choice(["ES256", "ES384"]))
    parts, signature = token.parts()
    size = len(signature) // 2
    s = ORDERS[token.algorithm] - int.from_bytes(signature[size:], "big")
    return ".".join([*parts, b64(signature[:size] + s.to_bytes(size, "big"))])


@token_class
def ecdsa_in_der():
    token = Token(rng.choice(["ES256", "ES384"]))
    parts, _ = token.parts()
    key = OURS.p256 if token.algorithm == "ES256" else OURS.p384
    digest = hashes.SHA256() if token.algorithm == "ES256" else hashes.SHA384()
    return ".".join([*parts, b64(key.sign(".".join(parts).encode(), ec.ECDSA(digest)))])


@token_class
def eddsa_with_a_greater_s():
    token = Token("EdDSA")
    parts, signature = token.parts()
    s = int.from_bytes(signature[32:], "little") + ORDERS["EdDSA"]
    return ".".join([*parts, b64(signature[:32] + s.to_bytes(32, "little"))])


@token_class
def pss_with_another_salt_length():
    token = Token(rng.choice(["PS256", "PS384", "PS512"]))
    token.salt = rng.choice([20, 28, 100])
    return token.text()


@token_class
def rsa_signature_for_the_other_padding():
    token = Token(rng.choice(ALGORITHMS[:6]))
    other = {"R": "P", "P": "R"}[token.algorithm[0]] + token.algorithm[1:]
    token.header["alg"] = other
    return token.text()


@token_class
def another_algorithm_of_the_same_key():
    token = Token(rng.choice(ALGORITHMS[:6]))
    same = [name for name in ALGORITHMS[:6] if name[0] == token.algorithm[0]]
    token.header["alg"] = rng.choice([name for name in same if name != token.algorithm])
    return token.text()


@token_class
def another_types_key():
    token = Token()
    others = {"rsa", "p256", "p384", "ed"} - {token.header["kid"]}
    token.header["kid"] = rng.choice(sorted(others))
    return token.text()


# --- headers
CLASSES |= {
    "alg_none": with_header("alg", "none", "None", "NONE", "nOnE", ""),
    "alg_unknown": with_header("alg", "HS256", "HS512", "ES512", "ES256K", "RS1", "rs256", "A128KW"),
    "alg_no_string": with_header("alg", None, 256, ["RS256"], {}, True),
    "alg_twice": raw_header(member(b'"alg":"none"')),
    "kid_unknown": with_header("kid", "other", "RSA", "rsa ", "../rsa", "rsa' or '1'='1", "rsa\0"),
    "kid_no_string": with_header("kid", 1, None, ["rsa"], {}),
    "kid_too_long": with_header("kid", "k" * 257),
    "crit": with_header("crit", ["exp"], ["b64"], [], "exp", [1], ["alg"], ["kid", "kid"], None),
    "b64_false": with_header("b64", False),
    "b64_true": with_header("b64", True),
    "enc": with_header("enc", "A128GCM"),
    "unknown_member": with_header("x-vendor", 1, "a", {"a": 1}),
    "key_locations": with_header("jku", "https://evil.example/jwks", "https://idp.example.com/"),
    "typ_of_another_kind": with_header(
        "typ", "JWT", "jwt", "dpop+jwt", "txntoken+jwt", "wit+jwt", "JOSE", "id_token", "at_jwt"
    ),
    "typ_of_an_event": with_header("typ", "secevent+jwt"),
    "typ_in_another_spelling": with_header("typ", "AT+JWT", "application/at+jwt", "At+Jwt"),
    "typ_no_string": with_header("typ", 1, None, ["at+jwt"]),
    "header_large": with_header("x5t", "a" * 700),
    "header_too_large": with_header("x5t", "a" * 3000),
    "header_no_object": raw_header(lambda text: rng.choice([b"[]", b"1", b'"a"', b"null", b"{"])),
    "header_with_a_byte_order_mark": raw_header(lambda text: b"\xef\xbb\xbf" + text),
}


@token_class
def kid_missing():
    token = Token()
    token.header.pop("kid")
    return token.text()


@token_class
def hmac_with_a_public_key():
    token = Token(rng.choice(["RS256", "ES256"]))
    token.header["alg"] = "HS256"
    public = next(key for key in OURS.jwks()["keys"] if key["kid"] == token.header["kid"])
    parts, _ = token.parts()
    secret = json.dumps(public).encode()
    return ".".join([*parts, b64(hmac.digest(secret, ".".join(parts).encode(), "sha256"))])


# --- spelling
CLASSES |= {
    "padding": respelled(in_part(rng.randrange(3), lambda part: part + "=" * (-len(part) % 4 or 4))),
    "white_space_inside": respelled(
        in_part(1, lambda part: part[:8] + rng.choice([" ", "\n", "\t", "\r\n"]) + part[8:])
    ),
    "white_space_around": respelled(lambda text: rng.choice([" ", ""]) + text + rng.choice([" ", "\n"])),
    "two_parts": respelled(lambda text: text.rsplit(".", 1)[0]),
    "four_parts": respelled(lambda text: text + "." + rng.choice(["", "AA"])),
    "five_parts": respelled(lambda text: text + ".AA.AA"),
    "empty_parts": respelled(lambda text: rng.choice(["", ".", "..", "...", text.split(".")[0] + ".."])),
    "other_bytes": respelled(in_part(1, lambda part: part[:5] + rng.choice("!*~,;'\u00e4") + part[5:])),
}


@token_class
def trailing_bits():
    """The same bytes, the last character of the signature spelled otherwise."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    parts = Token().text().split(".")
    unused = {2: 4, 3: 2}.get(len(parts[2]) % 4)
    if unused is None:
        return trailing_bits()
    last = alphabet.index(parts[2][-1])
    parts[2] = parts[2][:-1] + alphabet[last | rng.randrange(1, 1 << unused)]
    return ".".join(parts)


@token_class
def plain_base64():
    """`+` and `/` where base64url has `-` and `_`."""
    parts = Token().text().split(".")
    respelled = parts[2].replace("-", "+").replace("_", "/")
    return plain_base64() if respelled == parts[2] else ".".join([*parts[:2], respelled])


@token_class
def json_serialization():
    parts = Token().text().split(".")
    return json.dumps({"protected": parts[0], "payload": parts[1], "signature": parts[2]})


# --- payloads
CLASSES |= {
    "claim_twice": raw_payload(member(b'"sub":"mallory"')),
    "claim_twice_escaped": raw_payload(member(b'"\\u0073ub":"mallory"')),
    "claim_twice_nested": raw_payload(member(b'"x":{"a":1,"a":2}')),
    "claims_in_capitals": raw_payload(member(b'"Exp":1,"SUB":"mallory"')),
    "payload_not_utf8": raw_payload(lambda text: text.replace(b'"iss"', b'"x":"\xff\xfe","iss"')),
    "payload_overlong_utf8": raw_payload(member(b'"x":"\xc0\xaf"')),
    "payload_with_a_byte_order_mark": raw_payload(lambda text: b"\xef\xbb\xbf" + text),
    "payload_in_utf16": raw_payload(lambda text: text.decode().encode("utf-16")),
    "lone_surrogate": raw_payload(member(b'"x":"\\ud800"')),
    "not_a_number": raw_payload(member(rng.choice([b'"x":NaN', b'"x":Infinity', b'"x":-Infinity']))),
    "number_too_great": raw_payload(member(b'"x":1e400')),
    "payload_no_object": raw_payload(lambda text: rng.choice([b"[]", b"1", b'"a"', b"null", b"{"])),
    "after_the_payload": raw_payload(lambda text: text + rng.choice([b"{}", b"1", b"\0"])),
    "too_deep": raw_payload(member(b'"x":' + b"[" * 20 + b"]" * 20)),
    "too_many_members": raw_payload(
        member(b'"x":{' + b",".join(b'"%d":1' % place for place in range(300)) + b"}")
    ),
    "too_long": changed("x", "a" * 9000),
}

# --- claims
CLASSES |= {
    "exp_at_its_boundaries": changed("exp", *[NOW - LEEWAY + step for step in (-2, -1, 0, 1, 2)]),
    "exp_with_a_fraction": changed("exp", NOW - LEEWAY + 0.5, NOW - LEEWAY - 0.5),
    "exp_well_in_time_with_a_fraction": changed("exp", NOW + 60.5, NOW + 1.25, float(NOW + 60)),
    "exp_no_number": changed("exp", str(NOW + 60), None, [NOW + 60], {}, True, "", "never"),
    "exp_out_of_range": changed("exp", 2**63, 2**70, 1e300, 2**53 + 2),
    "exp_negative": changed("exp", -1, -1.5, -(2**63)),
    "exp_missing": without("exp"),
    "exp_too_far_from_iat": changed("exp", NOW + 7200, NOW + 10**6),
    "iat_at_its_boundaries": changed("iat", *[NOW + LEEWAY + step for step in (-2, -1, 0, 1, 2)]),
    "iat_no_number": changed("iat", str(NOW), None, [NOW], {}, True),
    "iat_negative": changed("iat", -1, -1.5, also=lambda: {"exp": NOW + 60}),
    "iat_missing": without("iat"),
    "nbf_at_its_boundaries": changed("nbf", *[NOW + LEEWAY + step for step in (-2, -1, 0, 1, 2)]),
    "nbf_with_a_fraction": changed("nbf", NOW + LEEWAY + 0.5, NOW + LEEWAY - 0.5),
    "nbf_no_number": changed("nbf", str(NOW), None, [NOW], {}, False),
    "iss_of_another": changed(
        "iss", ISSUER + "/", ISSUER.upper(), "https://idp.example.c\u043em", ISSUER + "\u200b", "", "idp"
    ),
    "iss_no_string": changed("iss", None, 1, [ISSUER], {"iss": ISSUER}),
    "iss_missing": without("iss"),
    "aud_of_another": changed(
        "aud", "https://other.example", AUDIENCE + "/", AUDIENCE.upper(), ["a", "b"], [], ""
    ),
    "aud_no_strings": changed("aud", None, 1, [AUDIENCE, 1], [[AUDIENCE]], {"aud": AUDIENCE}, True),
    "aud_with_an_empty_one": changed("aud", [AUDIENCE, ""], ["", AUDIENCE]),
    "aud_missing": without("aud"),
    "sub_no_string": changed("sub", None, 1, ["alice"], {"format": "email"}, True),
    "sub_empty": changed("sub", ""),
    "sub_missing": without("sub"),
    "jti_no_string": changed("jti", 1, ["a"], {}, True),
    "jti_too_long": changed("jti", "j" * 257, "j" * 1000),
    "jti_missing": without("jti"),
    "client_id_missing": without("client_id"),
    "client_id_no_string": changed("client_id", 1, ["app"], ""),
    "scope_no_string": changed("scope", 1, ["read"], {"a": 1}, None),
    "event": changed("events", {}, {"https://schemas.openid.net/secevent/caep/event-type/x": {}}),
    "bound_to_a_key": changed("cnf", {"jkt": "x"}, {"x5t#S256": "x"}, {"kid": "x"}, {}),
    "act_malformed": changed("act", "agent", 1, [], {}, {"iss": "i"}, {"sub": ""}, {"sub": 1}),
    "names_in_many_scripts": changed(
        "sub", "\u202eecila", "e\u0301", "\u00e9", "\ufb01", "\U0001f600", "a\u200bb", "\u0000"
    ),
}


@token_class
def act_too_deep():
    token = Token()
    act = {"sub": "a"}
    for _ in range(rng.choice([8, 9, 12])):
        act = {"sub": "a", "act": act}
    token.claims["act"] = act
    return token.text()


@token_class
def act_at_its_depth():
    token = Token()
    act = {"sub": "a"}
    for _ in range(7):
        act = {"sub": "a", "act": act}
    token.claims["act"] = act
    return token.text()


REGISTRY = jwt.JWTClaimsRegistry(
    now=NOW,
    leeway=LEEWAY,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True},
    exp={"essential": True},
)


def theirs(token, keys):
    """Nothing if joserfc accepts the token, else its reason."""
    try:
        decoded = jwt.decode(token, keys, algorithms=[*ALGORITHMS, "Ed25519"])
        REGISTRY.validate(decoded.claims)
    except JoseError as error:
        return type(error).__name__
    except (ValueError, TypeError, RecursionError, AttributeError, KeyError) as error:
        # Not the library's own kind of answer, but no acceptance either.
        return f"uncaught {type(error).__name__}"
    return None


def main(path):
    jwks = OURS.jwks()
    keys = KeySet.import_key_set(jwks)
    told = {"now": NOW, "leeway": LEEWAY, "issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks}
    with open(path, "w", encoding="utf-8") as file:
        print(json.dumps(told), file=file)
        for name, make in CLASSES.items():
            for _ in range(PER_CLASS):
                token = make()
                line = {"class": name, "token": token, "theirs": theirs(token, keys)}
                print(json.dumps(line), file=file)


if __name__ == "__main__":
    main(sys.argv[1])
