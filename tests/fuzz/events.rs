//! Stored events: bytes that decode are written again so that they decode to the same event.

use whence_events::Event;
use whence_events::codec::{decode, encode};

/// Reads a stored type, up to the first line feed, and the stored bytes behind it.
pub fn run(data: &[u8]) {
    let Some(event) = read(data) else { return };
    let Ok(bytes) = encode(&event) else { return };
    let again = decode(event.event_type(), &bytes).expect("what was written can be read");
    assert_eq!(event, again);
    assert_eq!(encode(&again).expect("it can be written"), bytes);
}

/// Returns whether the input is an event of a known type.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    read(data).is_some()
}

fn read(data: &[u8]) -> Option<Event> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let event_type = std::str::from_utf8(&data[..end]).ok()?;
    let event = decode(event_type, &data[end + 1..]).ok()?;
    if let Event::Unknown { .. } = event { None } else { Some(event) }
}
