//! Checkpoints (<https://c2sp.org/tlog-checkpoint>): statements that a log of a size has a root.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use whence_events::Hash;

use super::note::{NoteError, Signer, Verifier};

/// A signed tree head without its signature: what a checkpoint states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// The number of events that the tree is over.
    pub size: u64,
    /// The root of the tree over these events.
    pub root: Hash,
}

impl Checkpoint {
    /// Returns the signed note with this statement.
    #[must_use]
    pub fn sign(&self, signer: &Signer) -> String {
        signer.sign_with_all(&self.to_string())
    }

    /// Returns what a note states, if this key signed it.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, NoteError> {
        let checkpoint: Self = verifier.open(note)?.parse()?;
        // A key signs for its own log alone.
        let same = checkpoint.origin == verifier.name();
        if same { Ok(checkpoint) } else { Err(NoteError::NotSigned(checkpoint.origin)) }
    }

    /// Returns the origin that a note names, whether its signature is right or not.
    #[must_use]
    pub fn origin_of(note: &str) -> Option<&str> {
        note.split('\n').next().filter(|origin| !origin.is_empty())
    }
}

/// Writes the text that is signed. It has no extension lines: the specification advises against them.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{}\n", STANDARD.encode(root.0))
    }
}

impl FromStr for Checkpoint {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split_terminator('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Malformed);
        };
        let root = STANDARD.decode(root).ok().and_then(|root| Some(Hash(root.try_into().ok()?)));
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| NoteError::Malformed)?,
            root: root.ok_or(NoteError::Malformed)?,
        };
        // A checkpoint has one spelling; extension lines of other programs may follow.
        let same = text.starts_with(&checkpoint.to_string()) && !origin.is_empty();
        if same { Ok(checkpoint) } else { Err(NoteError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_one_spelling() {
        // The example of the specification.
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint: Checkpoint = text.parse().unwrap();
        assert_eq!((checkpoint.size, checkpoint.to_string()), (20_852_163, text.to_owned()));
        for (old, new) in
            [("20852163", "020852163"), ("20852163", "+1"), ("2I=", "2I"), ("\n20", "\n\n20")]
        {
            assert!(text.replacen(old, new, 1).parse::<Checkpoint>().is_err(), "{old} {new}");
        }
        assert_eq!(format!("{text}an extension\n").parse::<Checkpoint>(), Ok(checkpoint));
    }
}
