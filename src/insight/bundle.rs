//! Evidence bundles: a file with events as they are stored, what shows each to be in the log, and a
//! story told of them, all of it signed. A bundle is checked with the log's public key alone.
//!
//! The file is JSON, and every byte of it counts. Its last member is `seal`: a signed note that
//! holds the SHA-256 of everything before it. So the check reads the file as bytes first, and
//! believes what it says only when the seal is right.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use whence_events::{Hash, Leaf, Position, Recorded};
use whence_projections::ReadDb;

use crate::engine::proof::{Checkpoint, Signer, Verifier, includes};
use crate::infra::hash::sha256;

/// The version of the format.
const FORMAT: u32 = 1;

/// Largest file that is checked, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The text between the body and the seal.
const SEAL: &str = ",\n  \"seal\": ";

/// The content of a bundle without its seal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleBody {
    whence_bundle: u32,
    key: String,
    /// The notes by which earlier keys name this one, when the key was ever rotated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    successions: Vec<String>,
    checkpoint: String,
    events: Vec<ProvenEvent>,
    story: Value,
}

/// A bundle as it is served and checked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a bundle has; the seal is written behind the body")]
pub(crate) struct SealedBundle {
    /// The version of the format.
    whence_bundle: u32,
    /// The key that all of it is signed by.
    #[schema(example = "login.example.com/log+1a2b3c4d+AQw6...")]
    key: String,
    /// The notes by which earlier keys name this one, when the key was ever rotated.
    #[schema(required = false)]
    successions: Vec<String>,
    /// A signed note about the whole log.
    checkpoint: String,
    events: Vec<ProvenEvent>,
    /// The story, as the calls about it answer it.
    #[schema(value_type = Object)]
    story: Value,
    /// A signed note that holds the hash of everything before it.
    seal: String,
}

/// An event, column by column, and what shows it to be in the log.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProvenEvent {
    /// The number of the event's leaf in the tree, from 0.
    index: u64,
    position: Position,
    event_id: Uuid,
    stream: String,
    version: u64,
    #[serde(rename = "type")]
    event_type: String,
    /// The time in microseconds since 1970.
    occurred_at: i64,
    recorded_at: i64,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    actor: String,
    /// The exact stored bytes, as text.
    data: String,
    /// The inclusion proof from the leaf up, each node in base64.
    inclusion: Vec<String>,
}

/// The result of a check that found nothing wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleReport {
    /// The key that everything in the bundle is signed by.
    pub key: Verifier,
    /// Whether that key was given, and not only found in the file.
    pub key_was_given: bool,
    /// The state of the log when the bundle was made.
    pub checkpoint: Checkpoint,
    /// How many events are in the bundle, each shown to be in the log.
    pub events: usize,
    /// The story that is told of the events.
    pub story: Value,
}

impl fmt::Display for BundleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, key_was_given, checkpoint, events, .. } = self;
        let size = checkpoint.size;
        write!(f, "unaltered: {events} events, each proved to be in the log of {size}, by {key}")?;
        if !key_was_given {
            f.write_str("; that key stands in the bundle itself: hold it against GET /v1/log/key")?;
        }
        Ok(())
    }
}

/// Returns the text of a bundle with these events, proved by the tree of the read models under a
/// checkpoint that covers all of them. It is an error when an event is not in the tree: the read
/// models are behind, or were changed.
pub async fn write(
    events: &[Recorded],
    read_db: &ReadDb,
    checkpoint: &Checkpoint,
    signer: &Signer,
    story: Value,
) -> anyhow::Result<String> {
    let mut evidence = Vec::with_capacity(events.len());
    for event in events {
        let index = index_of(read_db, event).await?;
        let path = read_db.tree_inclusion(index, checkpoint.size).await?;
        let path = path.context("the checkpoint is of a smaller log than the bundle")?;
        let item = ProvenEvent::new(event, index, &path)?;
        ensure!(item.is_in(checkpoint)?, "event {} is not what the tree says", event.position);
        evidence.push(item);
    }
    let body = BundleBody {
        whence_bundle: FORMAT,
        key: signer.verifier().to_string(),
        successions: signer.successions(),
        checkpoint: checkpoint.sign(signer),
        events: evidence,
        story,
    };
    let text = serde_json::to_string_pretty(&body)?;
    let text = text.strip_suffix("\n}").context("a bundle is an object")?;
    let seal = signer.sign(&sealed(&signer.verifier(), text));
    Ok(format!("{text}{SEAL}{}\n}}\n", serde_json::to_string(&seal)?))
}

/// Returns the number of the event's leaf in the tree.
async fn index_of(read_db: &ReadDb, event: &Recorded) -> anyhow::Result<u64> {
    let mut bytes = Vec::new();
    event.write_leaf(&mut bytes);
    let leaf = whence_projections::merkle::leaf_hash(&bytes);
    let tile = read_db.tile_holding(event.position).await?;
    let tile = tile.filter(|tile| event.position <= tile.last);
    tile.and_then(|tile| tile.index_of(leaf)).with_context(|| {
        format!(
            "event {} is not in the tree of the read models: they are behind, or it was changed",
            event.position
        )
    })
}

/// Checks a bundle in a file, with this key or with the one in the file; the error says what is
/// wrong with it.
pub fn check(path: &Path, key: Option<&Verifier>) -> anyhow::Result<BundleReport> {
    let wrong = || format!("the bundle {}", path.display());
    let size = std::fs::metadata(path).with_context(wrong)?.len();
    ensure!(
        size <= MAX_FILE_BYTES,
        "the bundle {} is larger than {MAX_FILE_BYTES} bytes",
        path.display()
    );
    let bytes = std::fs::read(path).with_context(wrong)?;
    check_bytes(&bytes, key).with_context(wrong)
}

/// Checks the bytes of a bundle, as [`check`] does those of a file.
pub fn check_bytes(bytes: &[u8], key: Option<&Verifier>) -> anyhow::Result<BundleReport> {
    let file = std::str::from_utf8(bytes).context("it is not a bundle")?;
    let (text, seal) = split(file).context("it is not a bundle, or its end was changed")?;
    let body: BundleBody = serde_json::from_str(&format!("{text}\n}}"))
        .context("it is not a bundle of a form that this version knows")?;
    ensure!(body.whence_bundle == FORMAT, "its format is {}, unknown here", body.whence_bundle);
    let found: Verifier = body.key.parse().context("its key")?;
    if let Some(key) = key {
        let follows = key.with_successors(&body.successions).contains(&found);
        ensure!(follows, "it is of the key {found}, not of {key}");
    }
    let stated = found.open(&seal).context("it was changed, or its seal was")?;
    ensure!(stated == sealed(&found, text), "it was changed: its seal is over other bytes");
    ensure!(is_plain(&seal, stated), "its seal was changed");
    let checkpoint = Checkpoint::open(&body.checkpoint, &found).context("its checkpoint")?;
    for event in &body.events {
        if !event.is_in(&checkpoint)? {
            bail!("event {} was not in the log of the checkpoint", event.position);
        }
    }
    let (events, story) = (body.events.len(), body.story);
    Ok(BundleReport { key: found, key_was_given: key.is_some(), checkpoint, events, story })
}

/// Returns the sealed text and the seal; `None` when the file does not end in a seal, or not in the
/// form in which [`write`] writes it.
fn split(file: &str) -> Option<(&str, String)> {
    let (text, end) = file.rsplit_once(SEAL)?;
    let seal: String = serde_json::from_str(end.strip_suffix("\n}\n")?).ok()?;
    let same = serde_json::to_string(&seal).ok()? + "\n}\n" == end;
    same.then_some((text, seal))
}

/// Returns the text of the seal. Its second line is not a number, so that it cannot be taken for a
/// checkpoint.
fn sealed(key: &Verifier, text: &str) -> String {
    format!(
        "{}\nwhence bundle {FORMAT}\n{}\n",
        key.name(),
        STANDARD.encode(sha256(text.as_bytes()).0)
    )
}

/// Returns whether a note has exactly one signature.
fn is_plain(note: &str, text: &str) -> bool {
    note.lines().count() == text.lines().count() + 2
}

impl ProvenEvent {
    fn new(event: &Recorded, index: u64, path: &[Hash]) -> anyhow::Result<Self> {
        let data = std::str::from_utf8(&event.data);
        let metadata = &event.metadata;
        Ok(Self {
            index,
            position: event.position,
            event_id: event.event_id.0,
            stream: event.stream.to_string(),
            version: event.version,
            event_type: event.event.event_type().to_owned(),
            occurred_at: metadata.occurred_at.as_micros(),
            recorded_at: event.recorded_at.as_micros(),
            correlation_id: metadata.correlation_id.0,
            causation_id: metadata.causation_id.map(|id| id.0),
            actor: metadata.actor.to_string(),
            data: data.with_context(|| format!("event {} is no text", event.position))?.to_owned(),
            inclusion: path.iter().map(|node| STANDARD.encode(node.0)).collect(),
        })
    }

    /// Returns whether exactly these columns are in the tree of the checkpoint.
    fn is_in(&self, checkpoint: &Checkpoint) -> anyhow::Result<bool> {
        let node = |text: &String| {
            let bytes = STANDARD.decode(text).ok()?;
            Some(Hash(bytes.try_into().ok()?))
        };
        let path: Option<Vec<_>> = self.inclusion.iter().map(node).collect();
        let path = path.with_context(|| format!("the proof of event {}", self.position))?;
        let mut bytes = Vec::new();
        self.leaf().write(&mut bytes);
        Ok(includes(checkpoint, &bytes, self.index, &path))
    }

    fn leaf(&self) -> Leaf<'_> {
        Leaf {
            event_id: self.event_id,
            stream: &self.stream,
            version: self.version,
            event_type: &self.event_type,
            occurred_at: self.occurred_at,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            actor: &self.actor,
            recorded_at: self.recorded_at,
            data: self.data.as_bytes(),
        }
    }
}
