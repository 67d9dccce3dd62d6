//! Secrets: made, parsed, hashed here, and shown nowhere.
//!
//! Everything derives from one master key by HKDF (RFC 5869), one label a purpose, so that no key
//! serves two. All randomness of the program comes from here as well.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use whence_events::{
    CorrelationId, EmailAddress, EmailKey, EventId, Hash, Mac, ReferralCode, RequestId, SessionId,
    TouchId, UserId,
};

/// The key everything else derives from. Whoever has it can read all personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// A fresh one.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_bytes())
    }

    /// 64 hexadecimal digits, surrounding white space ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }

    /// The form that [`MasterKey::parse`] reads: for the key file only.
    #[must_use]
    pub fn to_hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn derive<const N: usize>(&self, purpose: &str) -> [u8; N] {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut key = [0; N];
        Salt::new(HKDF_SHA256, b"whence")
            .extract(&self.0)
            .expand(&[purpose.as_bytes()], Length(N))
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF gives any length up to 8160 bytes");
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The purpose keys of one master key.
#[derive(Clone)]
pub struct Keys {
    email_index: hmac::Key,
    code: hmac::Key,
    csrf: hmac::Key,
    check: hmac::Key,
    /// Signs the cookies of a landing.
    pub cookie: MacKey,
    /// Wraps subject keys.
    pub wrapping: SealingKey,
    /// Seed of the Ed25519 key that signs bearer tokens.
    pub(crate) bearer_seed: [u8; 32],
    /// Seed of the Ed25519 key that signs checkpoints of the log.
    pub(crate) log_seed: [u8; 32],
}

impl Keys {
    /// All of them.
    #[must_use]
    pub fn derive(master: &MasterKey) -> Self {
        let hmac = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &master.derive::<32>(purpose));
        Self {
            // The one key that can never change: it names the mailbox streams.
            email_index: hmac("email index"),
            code: hmac("one-time code"),
            csrf: hmac("csrf"),
            check: hmac("check"),
            cookie: MacKey(hmac("landing cookie")),
            wrapping: SealingKey::new(&master.derive("subject key wrapping")),
            bearer_seed: master.derive("bearer token"),
            log_seed: master.derive("log checkpoint"),
        }
    }

    /// A value that says, without telling anything else, whether two master keys are the same.
    #[must_use]
    pub fn fingerprint(&self) -> Mac {
        mac(&self.check, &[b"whence"])
    }

    /// The name of an address in the log.
    #[must_use]
    pub fn email_key(&self, email: &EmailAddress) -> EmailKey {
        EmailKey(mac(&self.email_index, &[email.as_str().as_bytes()]).0)
    }

    /// What is stored of a code.
    #[must_use]
    pub fn code_mac(&self, request: RequestId, code: &OneTimeCode) -> Mac {
        mac(&self.code, &[request.0.as_bytes(), code.as_str().as_bytes()])
    }

    /// The CSRF token of a session: it can be checked even for a session that is gone.
    #[must_use]
    pub fn csrf_token(&self, session: &SessionToken) -> CsrfToken {
        let tag = hmac::sign(&self.csrf, &session.to_bytes());
        CsrfToken(URL_SAFE_NO_PAD.encode(tag))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// A key that signs short texts.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A fresh one, which nobody else has.
    #[must_use]
    pub fn generate() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()))
    }

    /// HMAC-SHA-256 cut to 128 bits over `domain`, a zero byte and `text`: a signature made for one
    /// purpose says nothing in another.
    #[must_use]
    pub fn sign(&self, domain: &str, text: &str) -> Mac {
        mac(&self.0, &[domain.as_bytes(), &[0], text.as_bytes()])
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// An AES-256-GCM key. Nonces are random (96 bits), so one key seals at most 2^32 values
/// (NIST SP 800-38D, 8.3); a subject has a few thousand, the wrapping key one for each subject.
#[derive(Clone)]
pub struct SealingKey(std::sync::Arc<LessSafeKey>);

impl SealingKey {
    /// From its 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes are an AES-256 key");
        Self(std::sync::Arc::new(LessSafeKey::new(key)))
    }

    /// Nonce, ciphertext and tag; 28 bytes longer than `clear`.
    #[must_use]
    pub fn seal(&self, aad: &[u8], clear: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = random_bytes();
        let mut sealed = Vec::with_capacity(clear.len() + 28);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(clear);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut sealed[12..],
            )
            .expect("a field is shorter than the 64 GiB that GCM takes");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// What was sealed; `None` when key, place or bytes are not the same.
    #[must_use]
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(12)?;
        let mut buffer = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// A one-time code: 6 digits, uniform.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode([u8; 6]);

impl OneTimeCode {
    /// A fresh one, uniform over 000000 to 999999.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
    pub fn generate() -> Self {
        let number: u32 = rand::random_range(0..1_000_000);
        Self::parse(&format!("{number:06}")).expect("six digits")
    }

    /// Exactly six ASCII digits; spaces around and inside are ignored, for people paste them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = text.bytes().filter(|b| *b != b' ');
        let mut code = [0; 6];
        for digit in &mut code {
            *digit = digits.next().filter(u8::is_ascii_digit)?;
        }
        if digits.next().is_some() || text.len() > 16 { None } else { Some(Self(code)) }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(..)")
    }
}

/// A session's token: its public id and a secret of 256 bits.
///
/// The id finds the session, the secret proves it: the log and the tables keep SHA-256 of the secret
/// only, and the look-up by id leaks nothing about it by its timing.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// The session.
    pub id: SessionId,
    secret: [u8; 32],
}

impl SessionToken {
    /// A fresh one.
    #[must_use]
    pub fn generate() -> Self {
        Self { id: SessionId(new_uuid_v7()), secret: random_bytes() }
    }

    /// 64 characters of base64url, as [`SessionToken::to_text`] writes them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 48];
        if text.len() != 64 || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != 48 {
            return None;
        }
        let (id, secret) = bytes.split_at(16);
        let id = SessionId(Uuid::from_slice(id).ok()?);
        Some(Self { id, secret: secret.try_into().ok()? })
    }

    /// For a `Set-Cookie` line only.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// What is stored of the secret.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(&self.secret)
    }

    fn to_bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(self.id.0.as_bytes());
        bytes[16..].copy_from_slice(&self.secret);
        bytes
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({}, ..)", self.id)
    }
}

/// The double-submit token of a session (OWASP: signed, bound to the session).
pub struct CsrfToken(String);

impl CsrfToken {
    /// For the readable cookie.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this token, in constant time.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), text.as_bytes())
            .is_ok()
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Hash(hash)
}

/// A fresh primary referral code: 8 characters of Crockford base32, 40 random bits.
#[must_use]
pub fn new_referral_code() -> ReferralCode {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let random: [u8; 8] = random_bytes();
    let code: String = random.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect();
    code.parse().expect("base32 is a code")
}

/// A fresh user id.
#[must_use]
pub fn new_user_id() -> UserId {
    UserId(new_uuid_v7())
}

/// A fresh request id: 122 random bits, because it is a capability.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub fn new_request_id() -> RequestId {
    RequestId(Uuid::new_v4())
}

/// A fresh event id.
#[must_use]
pub fn new_event_id() -> EventId {
    EventId(new_uuid_v7())
}

/// A fresh touch id.
#[must_use]
pub fn new_touch_id() -> TouchId {
    TouchId(new_uuid_v7())
}

/// A fresh correlation id.
#[must_use]
pub fn new_correlation_id() -> CorrelationId {
    CorrelationId(new_uuid_v7())
}

/// Random bytes from the operating system's generator, by way of a reseeded CSPRNG.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

#[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
fn new_uuid_v7() -> Uuid {
    Uuid::now_v7()
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Mac {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&context.sign().as_ref()[..16]);
    Mac(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_has_one_spelling_and_is_never_shown() {
        let key = MasterKey::generate();
        assert_eq!(MasterKey::parse(&format!(" {}\n", key.to_hex())), Some(key.clone()));
        assert!(MasterKey::parse("00").is_none());
        assert!(MasterKey::parse(&"zz".repeat(32)).is_none());
        assert!(MasterKey::parse(&"+f".repeat(32)).is_none());
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }

    #[test]
    fn a_code_is_six_digits_however_it_is_pasted() {
        assert_eq!(OneTimeCode::parse(" 012 345 ").unwrap().as_str(), "012345");
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "-12345"] {
            assert!(OneTimeCode::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn codes_are_spread_over_their_whole_range() {
        let first: std::collections::BTreeSet<u8> =
            (0..500).map(|_| OneTimeCode::generate().as_str().as_bytes()[0]).collect();
        assert_eq!(first.len(), 10, "every first digit comes up");
    }

    #[test]
    fn a_token_round_trips_and_nothing_else_is_one() {
        let token = SessionToken::generate();
        let text = token.to_text();
        assert_eq!(SessionToken::parse(&text), Some(token));
        for bad in ["", "abc", &text[1..], &format!("{text}A"), &text.replace(&text[..1], "=")] {
            assert!(SessionToken::parse(bad).is_none());
        }
    }

    #[test]
    fn sealed_bytes_open_only_in_their_place() {
        let key = SealingKey::new(&random_bytes());
        let sealed = key.seal(b"here", b"secret");
        assert_eq!(key.open(b"here", &sealed).as_deref(), Some(&b"secret"[..]));
        assert!(key.open(b"there", &sealed).is_none());
        assert!(key.open(b"here", &sealed[..sealed.len() - 1]).is_none());
        assert!(key.open(b"here", b"").is_none());
        assert!(SealingKey::new(&random_bytes()).open(b"here", &sealed).is_none());
    }

    #[test]
    fn a_csrf_token_belongs_to_one_session() {
        let keys = Keys::derive(&MasterKey::generate());
        let (mine, yours) = (SessionToken::generate(), SessionToken::generate());
        assert!(keys.csrf_token(&mine).matches(keys.csrf_token(&mine).as_str()));
        assert!(!keys.csrf_token(&mine).matches(keys.csrf_token(&yours).as_str()));
    }
}
