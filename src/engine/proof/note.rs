//! Signs and opens signed notes (<https://c2sp.org/signed-note>), with Ed25519.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::infra::hash::sha256;
use crate::infra::keys::{Generation, Generations, Keys, Secret, Shared};

/// The byte that stands for Ed25519 in a key.
const ED25519_KEY: u8 = 1;

/// The length in bytes of the longest note that is read: a checkpoint with many more signatures than
/// the sixteen that the specification asks for.
const MAX_NOTE_LENGTH: usize = 64 * 1024;

/// The beginning of a signature line: an em dash.
const SIGNED_BY: &str = "\u{2014} ";

/// The second line of a note by which a key names the one after it.
const SUCCESSION: &str = "whence checkpoint key";

/// A private key that signs notes.
///
/// The key is the one that signs when it is asked: it may have been rotated meanwhile.
pub struct Signer {
    seeds: Shared<Generations<Secret>>,
    name: String,
}

impl Signer {
    /// Returns the signer of the log that these keys belong to. The name of its key is the origin
    /// of the log.
    pub fn new(keys: &Keys, origin: &str) -> Result<Self, NoteError> {
        Verifier::new(origin, [0; 32])?;
        Ok(Self { seeds: keys.checkpoint.clone(), name: origin.to_owned() })
    }

    /// Returns the note with this text, which ends in a newline, and one signature.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let line = self.line(&self.seeds.get().signing().key, text);
        format!("{text}\n{line}")
    }

    /// Returns the note with this text and a signature of each key that still counts, the newest
    /// first: who knows an older key only can open it, too.
    #[must_use]
    pub fn sign_with_all(&self, text: &str) -> String {
        let seeds = self.seeds.get();
        let signing = seeds.signing().number;
        let counts = seeds.read().filter(|one| one.number <= signing);
        let lines: String = counts.map(|one| self.line(&one.key, text)).collect();
        format!("{text}\n{lines}")
    }

    /// Returns the public key that opens what this one signs.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.verifier_of(&self.seeds.get().signing().key)
    }

    /// Returns the public keys of all that ever signed, oldest first.
    #[must_use]
    pub fn verifiers(&self) -> Vec<Verifier> {
        self.seeds.get().until_now().iter().map(|one| self.verifier_of(&one.key)).collect()
    }

    /// Returns the notes by which each key but the last names the one after it.
    #[must_use]
    pub fn successions(&self) -> Vec<String> {
        let seeds = self.seeds.get();
        let pairs = seeds.until_now().windows(2);
        let succession = |pair: &[Generation<Secret>]| {
            let next = self.verifier_of(&pair[1].key);
            let text = succession_text(&next);
            let line = self.line(&pair[0].key, &text);
            format!("{text}\n{line}")
        };
        pairs.map(succession).collect()
    }

    fn line(&self, seed: &Secret, text: &str) -> String {
        let mut signature = self.verifier_of(seed).id().to_vec();
        signature.extend_from_slice(pair(seed).sign(text.as_bytes()).as_ref());
        format!("{SIGNED_BY}{} {}\n", self.name, STANDARD.encode(signature))
    }

    fn verifier_of(&self, seed: &Secret) -> Verifier {
        let mut key = [0; 32];
        key.copy_from_slice(pair(seed).public_key().as_ref());
        Verifier { name: self.name.clone(), key }
    }
}

fn pair(seed: &Secret) -> Ed25519KeyPair {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..]);
    pair.expect("any 32 bytes are a seed of an Ed25519 key")
}

/// Returns the text by which a key names the one after it. Its second line is not a number, so that it
/// cannot be taken for a checkpoint.
fn succession_text(next: &Verifier) -> String {
    format!("{}\n{SUCCESSION}\n{next}\n", next.name)
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, ..)", self.verifier())
    }
}

/// A public key and its name. Its text is what Go's `note` package calls a verifier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

impl Verifier {
    /// Returns a public key by this name; an error when it is not a name.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
        {
            return Err(NoteError::Name);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// Returns the name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the same key by another name; an error when it is not a name.
    pub fn named(&self, name: &str) -> Result<Self, NoteError> {
        Self::new(name, self.key)
    }

    /// Returns this key and those that took its place, as far as notes show it in which each key names
    /// the one after it. Notes of other keys are left alone.
    #[must_use]
    pub fn with_successors(&self, notes: &[String]) -> Vec<Self> {
        let mut known = vec![self.clone()];
        let mut at = 0;
        while let Some(key) = known.get(at).cloned() {
            for note in notes {
                let next = key.open(note).ok().and_then(|text| {
                    let next: Self = text.lines().nth(2)?.parse().ok()?;
                    (text == succession_text(&next) && next.name == key.name).then_some(next)
                });
                if let Some(next) = next.filter(|next| !known.contains(next)) {
                    known.push(next);
                }
            }
            at += 1;
        }
        known
    }

    /// Returns the text of a note that this key signed. Signatures of other keys are not checked.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = split(note)?;
        let public = UnparsedPublicKey::new(&ED25519, self.key);
        let mut signed = false;
        for line in signatures.split_terminator('\n') {
            let (name, signature) = parse_signature(line)?;
            let Some(signature) = signature.strip_prefix(&self.id()[..]) else { continue };
            if name == self.name {
                public.verify(text.as_bytes(), signature).map_err(|_| NoteError::Signature)?;
                signed = true;
            }
        }
        if signed { Ok(text) } else { Err(NoteError::NotSigned(self.name.clone())) }
    }

    /// Returns the id of the key, which follows from its name and its bytes.
    fn id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_KEY], &self.key].concat());
        [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
    }
}

/// Writes `NAME+KEYID+KEY`: the id in hexadecimal digits, the key in base64.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = [&[ED25519_KEY], &self.key[..]].concat();
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for Verifier {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let [ED25519_KEY, key @ ..] = &key[..] else { return Err(NoteError::Key) };
        let verifier = Self::new(name, key.try_into().map_err(|_| NoteError::Key)?)?;
        // The id and the spelling of the text follow from name and key.
        if verifier.to_string() == text { Ok(verifier) } else { Err(NoteError::Key) }
    }
}

/// Why a note is not accepted, or a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a note.
    #[error("it is not a signed note")]
    Malformed,
    /// No signature is by this key.
    #[error("it is not signed by the key of {0}")]
    NotSigned(String),
    /// A signature by the key is wrong: text, signature or key were changed.
    #[error("its signature is wrong")]
    Signature,
    /// The text is not a verifier key.
    #[error("not a verifier key, NAME+ID+BASE64")]
    Key,
    /// The text is not a name of a key.
    #[error("a name of a key has no spaces and no +")]
    Name,
}

/// Splits a note into text and signature lines, at the last empty line.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let clean = note.chars().all(|c| c == '\n' || !c.is_ascii_control());
    if note.len() > MAX_NOTE_LENGTH || !clean || !note.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    let end = note.rfind("\n\n").ok_or(NoteError::Malformed)? + 1;
    Ok((&note[..end], &note[end + 1..]))
}

/// Returns the name of the key of a signature line, and key id and signature together.
fn parse_signature(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    let (name, signature) = line
        .strip_prefix(SIGNED_BY)
        .and_then(|line| line.split_once(' '))
        .ok_or(NoteError::Malformed)?;
    let signature = STANDARD.decode(signature).map_err(|_| NoteError::Malformed)?;
    if name.is_empty() || signature.len() < 5 {
        Err(NoteError::Malformed)
    } else {
        Ok((name, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::keys::MasterKey;

    /// The example of Go's `golang.org/x/mod/sumdb/note`.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn signer(origin: &str) -> Signer {
        let key = MasterKey::parse(&"07".repeat(32)).unwrap();
        Signer::new(&Keys::derive(&key), origin).unwrap()
    }

    #[test]
    fn a_note_of_another_implementation_is_believed() {
        let key: Verifier = GO_KEY.parse().unwrap();
        let text = key.open(GO_NOTE).unwrap();
        assert!(text.ends_with("your problem is.\n"));
        assert_eq!(key.to_string(), GO_KEY);
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_else() {
        let signer = signer("example.com/whence");
        let note = signer.sign("hello\n");
        assert_eq!(signer.verifier().open(&note), Ok("hello\n"));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(signer.verifier().open(&changed).is_err(), "{at}: {changed:?}");
        }
    }

    #[test]
    fn signatures_of_others_are_left_alone() {
        let (ours, theirs) = (signer("example.com/whence"), signer("witness.example.com"));
        let line = theirs.sign("hello\n").split_once("\n\n").unwrap().1.to_owned();
        let note = ours.sign("hello\n") + &line;
        assert_eq!(ours.verifier().open(&note), Ok("hello\n"));
        assert_eq!(theirs.verifier().open(&note), Ok("hello\n"));
        let third = signer("third.example.com");
        let no = NoteError::NotSigned("third.example.com".into());
        assert_eq!(third.verifier().open(&note), Err(no));
    }

    #[test]
    fn a_key_has_one_spelling() {
        let key = signer("example.com/whence").verifier().to_string();
        assert_eq!(key.parse::<Verifier>().unwrap().to_string(), key);
        for at in 0..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(changed.parse::<Verifier>().is_err(), "{at}: {changed}");
        }
        for bad in ["", "a", "a+b", "a+b+c", "a b+00000000+AQ=="] {
            assert!(bad.parse::<Verifier>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_signer_shows_no_secret() {
        let shown = format!("{:?}", signer("example.com/whence"));
        assert!(shown.starts_with("Signer(example.com/whence+"), "{shown}");
    }
}
