//! Properties of any event and of any bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use whence_events::codec::{CodecError, decode, encode, known_types};
use whence_events::*;

use crate::golden_bytes;
use crate::strategies::{all, event};

#[test]
fn any_event_means_every_type() {
    let mut drawn: Vec<_> = all().into_iter().map(|(event_type, _)| event_type).collect();
    let mut known: Vec<_> = known_types().collect();
    drawn.sort_unstable();
    known.sort_unstable();
    assert_eq!(drawn, known);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_event_comes_back_from_its_bytes(event in event()) {
        let bytes = encode(&event).unwrap();
        let back = decode(event.event_type(), &bytes).unwrap();
        prop_assert_eq!(&back, &event);
        prop_assert_eq!(encode(&back).unwrap(), bytes);
    }

    #[test]
    fn a_personal_field_that_is_not_sealed_cannot_be_written(
        mut event in event(),
        erased in any::<bool>(),
        which in any::<usize>(),
    ) {
        let mut fields = 0;
        event.visit_pii(&mut |_, _| fields += 1);
        if fields == 0 {
            return Ok(());
        }
        let mut nth = 0;
        event.visit_pii(&mut |_, slot| {
            if nth == which % fields {
                if erased { slot.set_erased() } else { make_clear(slot) }
            }
            nth += 1;
        });
        let refused = matches!(encode(&event), Err(CodecError::NotWritable { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn debug_output_of_an_event_shows_no_personal_field(mut event in event()) {
        event.visit_pii(&mut |_, slot| make_clear(slot));
        let shown = format!("{event:?} {event:#?}");
        for secret in [ADDRESS, AGENT, "203.0.113.9"] {
            prop_assert!(!shown.contains(secret), "{}", shown);
        }
    }

    #[test]
    fn a_type_nobody_knows_is_unknown_whatever_its_bytes(
        event_type in any::<String>(),
        data in vec(any::<u8>(), 0..64),
    ) {
        prop_assume!(known_types().all(|known| known != event_type));
        let event = decode(&event_type, &data).unwrap();
        prop_assert_eq!(&event, &Event::Unknown { event_type });
        prop_assert!(encode(&event).is_err());
    }

    #[test]
    fn arbitrary_bytes_of_a_known_type_never_panic(
        event_type in select(known_types().collect::<Vec<_>>()),
        data in vec(any::<u8>(), 0..256),
    ) {
        let _ = decode(event_type, &data);
    }

    /// Almost valid bytes reach further into the reader than arbitrary ones.
    #[test]
    fn damaged_bytes_of_a_known_type_never_panic(
        event_type in select(known_types().collect::<Vec<_>>()),
        cut in any::<usize>(),
        changes in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut data = golden_bytes(event_type);
        for (at, byte) in changes {
            let length = data.len();
            data[at % length] = byte;
        }
        let _ = decode(event_type, &data);
        data.truncate(cut % data.len());
        let malformed = matches!(decode(event_type, &data), Err(CodecError::Malformed { .. }));
        prop_assert!(malformed, "a cut event was read");
    }

    /// An event with a time that cannot be read back would be lost permanently.
    #[test]
    fn any_moment_that_is_written_can_be_read(micros in any::<i64>()) {
        let written = Timestamp::from_micros(micros).to_string();
        prop_assert!(written.parse::<Timestamp>().is_ok(), "{}", written);
    }

    #[test]
    fn any_stream_has_one_name(stream in stream()) {
        prop_assert_eq!(stream.to_string().parse::<StreamId>(), Ok(stream));
    }

    #[test]
    fn any_actor_has_one_name(name in any::<String>()) {
        for actor in [Actor::Visitor, Actor::Owner, Actor::System, Actor::Operator(name)] {
            prop_assert_eq!(actor.to_string().parse::<Actor>(), Ok(actor));
        }
    }

    #[test]
    fn arbitrary_text_is_parsed_or_refused(text in any::<String>()) {
        let _ = text.parse::<StreamId>();
        let _ = text.parse::<Actor>();
        let _ = text.parse::<Timestamp>();
        let _ = EmailAddress::parse(&text);
        let _ = Country::parse(&text);
    }
}

#[test]
fn bytes_of_another_shape_are_malformed() {
    for event_type in known_types() {
        for data in ["", "null", "0", "\"\"", "[]", "{", "{}{}"] {
            let decoded = decode(event_type, data.as_bytes());
            assert!(
                matches!(decoded, Err(CodecError::Malformed { .. })),
                "{event_type} was read from {data:?}"
            );
        }
    }
}

#[test]
fn a_refusal_to_read_or_write_shows_no_personal_datum() {
    let mut event = decode("UserRegistered.v1", &golden_bytes("UserRegistered.v1")).unwrap();
    event.visit_pii(&mut |_, slot| make_clear(slot));
    let error = encode(&event).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(ADDRESS));
}

#[test]
fn debug_output_shows_no_personal_datum_and_no_mac() {
    let address = EmailAddress::parse(ADDRESS).unwrap();
    let shown = format!(
        "{address:?} {:?} {:?} {:?} {:?} {:?}",
        Pii::Clear(address.clone()),
        Pii::Clear("ada".to_owned()),
        Pii::<String>::Sealed(Sealed(Box::new(*b"ada"))),
        Mac(*b"adaadaadaadaadaa"),
        Hash(*b"adaadaadaadaadaaadaadaadaadaadaa"),
    );
    let expected = "EmailAddress(..) Pii(clear) Pii(clear) Pii(sealed) Mac(..) Hash(..)";
    assert_eq!(shown, expected);
}

const ADDRESS: &str = "ada@example.com";
const AGENT: &str = "Mozilla/5.0 (secret)";

/// Makes a field of any type clear.
fn make_clear(slot: &mut dyn PiiSlot) {
    let client: &[u8] = br#"{"ip":"203.0.113.9","ua":"Mozilla/5.0 (secret)"}"#;
    for bytes in [ADDRESS.as_bytes(), client] {
        slot.set_clear(bytes);
        // A text takes both, which is as well.
        if slot.clear_bytes().is_some() {
            return;
        }
    }
    panic!("a new type of personal field: give it bytes here");
}

fn stream() -> impl Strategy<Value = StreamId> {
    let uuid = any::<u128>().prop_map(uuid::Uuid::from_u128);
    prop_oneof![
        any::<[u8; 16]>().prop_map(|key| StreamId::Mailbox(EmailKey(key))),
        uuid.clone().prop_map(|id| StreamId::User(UserId(id))),
        uuid.prop_map(|id| StreamId::Touch(TouchId(id))),
        any::<[u8; 16]>().prop_map(|digest| StreamId::Rules(Mac(digest))),
        "[A-Za-z0-9][A-Za-z0-9-]{1,31}"
            .prop_map(|code| StreamId::code(&code.parse().expect("a code"))),
        "[a-z0-9][a-z0-9_.-]{1,31}"
            .prop_map(|name| StreamId::Handle(name.parse().expect("a handle"))),
    ]
}
