//! Signatures that must pass, and with one bit changed must not: what an implementation proves
//! itself on.
//!
//! One key of each type, made for this purpose and its private half thrown away. Both numbers of
//! the ECDSA signatures have their highest bit set, so that a conversion to ASN.1 that forgets the
//! sign byte fails here and not in the field on every second token.

use crate::base64url;
use crate::jwk::PublicKey;
use crate::jws::Algorithm;

/// What all known answers are signatures over.
const MESSAGE: &[u8] = b"rescind known answer";

/// A signature that is known to be good.
#[derive(Clone, Copy, Debug)]
pub struct KnownAnswer {
    algorithm: Algorithm,
    jwk: &'static str,
    signature: &'static str,
}

/// One good signature for each algorithm.
#[must_use]
pub const fn known_answer_tests() -> &'static [KnownAnswer] {
    &KNOWN_ANSWERS
}

impl KnownAnswer {
    /// The algorithm it was made with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that checks it.
    #[must_use]
    pub fn key(&self) -> Option<PublicKey> {
        PublicKey::parse(self.jwk.as_bytes()).ok()
    }

    /// What it is over.
    #[must_use]
    pub const fn message(&self) -> &'static [u8] {
        MESSAGE
    }

    /// The signature, in the form of RFC 7518 §3.
    #[must_use]
    pub fn signature(&self) -> Vec<u8> {
        base64url::decode(self.signature.as_bytes()).unwrap_or_default()
    }

    /// Whether `verifier` answers rightly: yes to the signature, no to it with its last bit
    /// changed, no to the signature over another message.
    #[must_use]
    pub fn proves(&self, verifier: &dyn super::SignatureVerifier) -> bool {
        let Some(key) = self.key() else { return false };
        let good = self.signature();
        let mut changed = good.clone();
        if let Some(last) = changed.last_mut() {
            *last ^= 1;
        }
        let verify = |message: &[u8], signature: &[u8]| {
            verifier.verify(self.algorithm, &key, message, signature)
        };
        verify(MESSAGE, &good) && !verify(MESSAGE, &changed) && !verify(b"another message", &good)
    }
}

const RSA_KEY: &str = concat!(
    r#"{"kty":"RSA","e":"AQAB","n":"smx2r1tmUZ-"#,
    r#"z12QkCAK0v9KnlanrKVxTEXTxe_4ZvfsLECw7Ebj6DK7UZTffvG6wTNh-IDw_mlxTX78PIi19wvm-vjh"#,
    r#"BDO38EZu9zYl709-"#,
    r#"79XGhTScM7lNfFUpgN5nr47TG8F4nyVMMfCkC4YI6xuDtKyyb_7x_8CXVCMwff3CJFZ_k8AIpMmbKtrH"#,
    r#"hFULpUcEl8smpt89pl65c_TL-Tu06QnvgZVPfn3OzBytTcasgoGzmgIIO0FLkZ4Z0E_sTpiToDtvljIP"#,
    r#"1X6iwrWIjbGL40vKMomBiRY_EeYSUlHF9Q8pfFuNv_WXrbY81YElJwi1L99OwTUNUpD7p7OJZNQ"}"#,
);

const P256_KEY: &str = concat!(
    r#"{"kty":"EC","crv":"P-"#,
    r#"256","x":"H392WmDSCNUoDnBmE_QqilNZbrWERE2ugdr3EyhU7Vg","y":"Sn1Dha4nytXZYMn7hyMh"#,
    r#"fqBYO3OY3stmtvhco_QdGYg"}"#,
);

const P384_KEY: &str = concat!(
    r#"{"kty":"EC","crv":"P-384","x":"PAvgTAfsv92F4GVai-"#,
    r#"zFIHaqv4FUJzJZhjolURFNMLWek5Zotd8u_iGY5mN8mVwG","y":"BB3i1CygrlTsshg6RQ-"#,
    r#"DBhE8nn4JZFMJOkO9rPYItlS2BaqNxqIptI0KyPpNY2He"}"#,
);

const ED25519_KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"hOfYkO_wHdl6bMfnnIIg7jctGHLRZaershnVqpoo2W0"}"#;

static KNOWN_ANSWERS: [KnownAnswer; 9] = [
    KnownAnswer {
        algorithm: Algorithm::Rs256,
        jwk: RSA_KEY,
        signature: concat!(
            "A4k_DYFNEfrJcjpwSbrB2XYPtWeiBEOBHWVQDFLVPdLbc_OKOcUFoSK2GVahNgOWvSP8t-",
            "dWmrqj8oRzvK0gxGZqly1PyAwSWX8I4MwhWlWDDSmboKt6kaa7QgQqc4gS-cmOh5ZTGje6edTl-",
            "iJRo6JxE7al_X970lutI7YAXG_OEfPIsPpL03Ffv2Ytc5q6E6JD1FdZ7bl8mTd599hSFH-Xjt_qR2MPZ",
            "XmBVUSYncQsjRs-1GzFsifvGbqFJOBBnFV8aOsYeqyJkoYotpsvpPEam-",
            "p2X49Q20b4Y6wfEuEwE9BlcdwOafm1PSZ1tLlvJXLbRw8wEEueS44uvaXp1g",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Rs384,
        jwk: RSA_KEY,
        signature: concat!(
            "HvO8nedWnjuuq6hycEJuDrX4VopvUbl00lqHb8rHzU5Y186pDlBDi3Xa5eLgedBH_halcuosVUHktwIh",
            "gSeXZGKjqaG5XcyHJmz2jQ_lwm10zacwU1Y4K9rxwOoP-",
            "HwFqw9zzMasI0pJQvZS9dDdVvLqDPHakI-w52_FND-MbqGyK7bsSybvBje75NvqJkfCm1u1rtgaRc1QH",
            "92BDG5diOgFmLvqJZVOgSIILcBF3agXzsEqlIHAP-",
            "m8qF6ciIApBkL6hvIw68N0nURgqNJxzTYZXnXowGXeAdXNfTRN_heVs0_GUObRByt3tw2IK-",
            "g9dgEyrxOn8kpV19jWKMBYAg",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Rs512,
        jwk: RSA_KEY,
        signature: concat!(
            "AGsUVPCw34-zYEnxgUtpOvfQAlSD6JtqL0bdxncOQlQ0G6O9ltmSq1yjwujV6NzebGKpXC65-",
            "0Qa588KXY-nlhCD6PBgXvWzfDdbj3dS2FVbVhd-VLNWhfYL50oyI8cVIk1rmyBS1YojzK1aWjG4fKYAX",
            "Ih25UiRuv1V1qTM78sYC-8-",
            "8tdjtvuZcAmchCZXKgGPQ6Ym79_GBWUu1Pm35DFRy64wv_wONpjlSuwW0rSyUiGaO9TU0gSoZ6PM7WOd",
            "clH6IJzWTKCuty8mqsn0B5bDFmecfM9H-6veEcjaSo9DZXGgzMa1ao-",
            "Cu11lIJ1UkY4ZOnqo4ckLRJuyUAsegg",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Ps256,
        jwk: RSA_KEY,
        signature: concat!(
            "bvrhAOj5O73rhNPd6CV6OZNY7Ldf74jq0jomJdBNEVkbW6yPzbI-",
            "bwYe_1MGo9uiZiRNZGHRTkBUqfmj0MA--uoE9eIAx8pMs5fYiJpldd23s0cZ2GTN5ldId_KdH-",
            "E2asBItPppowOG0EbTxCXVtSgsz2yOT99YMXmkDtVCAvhawVV5EqUzj3Ut71wyWRThK4NVC1MMKyuU-",
            "ZPxX-s-_Nq6KeEriZkJJ0mKk0xOc2dewvo18dQ-dzoGum-",
            "4tCRphWIAfZV9c1y2vlD01BxFzqmUOSQ90SKhCmPYUwpAsWRusnvN9yMXhSP2fcPCvMKiuToL3pWWnx7",
            "lZQ245ADUAg",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Ps384,
        jwk: RSA_KEY,
        signature: concat!(
            "YqYIo5v2Kc7fNfhJ_ZdPLQv1EEZvU_DSWH8yPttipkHdUfZ2o5LNvcvmdY9HCWMuGLFSaKY7v3ZCzuX5",
            "icROW3TXFA-JWtIpfDCqTpMZgofMZft2_1M5AWKD-uF0nOsK_wH3pC6JCCDDGGn7S6Z-uLTENPioGQ--",
            "hCiu83wyuBLmpwSA448Zm8TUOW-74deNHiokoNX3OczyntGzm6xAgyCZB39o7PEJiF7C-",
            "xjYPSL0g71QfTS2dlz99F88J-0OKm0FFTZkQ3kZ-",
            "unFfN2b3dL_x9XlJaorGKWUChFDrMrPEsYUT4zu6Jf4jRInGBIEj6t8JLXYkJx50eW0ryyy4Q",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Ps512,
        jwk: RSA_KEY,
        signature: concat!(
            "XoZaN-lZ_hfZMKXTdT7N75npEhV7kWMLQFG8jUrxX47kI9QSrOUhJcZDqvZpQiS8cM3tNbSL35C1Z6jv",
            "amQeeQoR4LsTaEucg05sD9KHU1MIkTMdiEavCHongZDO9ZFV2jjI2kjFcmEl7GLDDcdLhwHKtQ10Gs3U",
            "bY4Pt1EyMsk-qBbVYLoES6rAlNhuK1SsLDLaxMrQcaFMuboU_OY52C-",
            "ruk_brVxiYBXskVe18Im_HetrN7eOR4YQTWkwiUo3OuiofUHo1hjuPAKfObSfyiQuEsw5zTkBO7SlyFs",
            "4AfJ2_36CYuB_wgJ-L7-B1DwwBsCrWX9IvBbWU-ImTRMQFg",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Es256,
        jwk: P256_KEY,
        signature: concat!(
            "0LYXiq47Sg3ox_OKhivfMm5cyqJjeMp_iDLwBjaHEk-Wc-",
            "DnwP6gBjTC86G9NdY3WXhaG7wOwOLuNbl6EqBVFw",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::Es384,
        jwk: P384_KEY,
        signature: concat!(
            "-kefD-qUlfXHOiSSE1cE9FdpOJE-L53ZuDUQ5eEEMho0MzZsdIwtT49kF7a4V6yF4MPe4r-",
            "3tQS8nPGkPXfb0V1QQmOphI8r3Cwewu1yUR8df6sFh9mUL7Qr3tbrByKM",
        ),
    },
    KnownAnswer {
        algorithm: Algorithm::EdDsa,
        jwk: ED25519_KEY,
        signature: concat!(
            "8CZQkSUz_lg9P-IvDS1-",
            "LpH4yUFFzfORppWkm4DTc0ZuksNsZZF3uUHLaBhRyzr7GaYd3Qtt_u3jYS8qQuNYBQ",
        ),
    },
];
