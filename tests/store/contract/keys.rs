//! The vault of subject keys beside the log.
#![expect(clippy::unwrap_used, reason = "the bodies of tests, called by the tests of each backend")]

use std::sync::Arc;

use whence::engine::vault::Vault;
use whence::infra::keys::{Keys, MasterKey};
use whence::infra::random::new_event_id;
use whence::store::{Append, EventStore, KeyRecord, NewEvent, NewKey, StoreError};
use whence_events::{
    EmailAddress, EmailKey, Event, Pii, Provider, StreamId, UserEvent, UserRegistered,
};

use crate::contract::{Backend, append, metadata, new_stream};

const WRAPPED: &[u8] = b"a wrapped key";

pub(crate) async fn a_key_comes_with_its_append(backend: &dyn Backend) {
    let store = backend.open().await;
    let (stream, other) = (new_stream(), new_stream());
    assert_eq!(store.read_key(&stream).await.unwrap(), None);
    let with_key = Append { new_key: Some(key(0)), ..append(&stream, 0, 1) };
    store.append(with_key.clone()).await.unwrap();
    assert_eq!(store.read_key(&stream).await.unwrap(), Some(live(0)));
    assert_eq!(store.read_key(&other).await.unwrap(), None);
    // Asked again, it is still the same one.
    store.append(with_key).await.unwrap();
    drop(store);
    let store = backend.open().await;
    assert_eq!(store.read_key(&stream).await.unwrap(), Some(live(0)));
}

pub(crate) async fn a_key_of_a_refused_append_is_not_stored(backend: &dyn Backend) {
    let store = backend.open().await;
    let (stream, keyless) = (new_stream(), new_stream());
    store.append(Append { new_key: Some(key(0)), ..append(&stream, 0, 1) }).await.unwrap();
    store.append(append(&keyless, 0, 1)).await.unwrap();
    for (refused, generation) in [(&stream, 0), (&stream, 1), (&keyless, 0)] {
        let refused = Append { new_key: Some(key(generation)), ..append(refused, 0, 1) };
        let result = store.append(refused).await;
        assert!(matches!(result, Err(StoreError::Conflict { length: 1 })), "{result:?}");
    }
    assert_eq!(store.read_key(&stream).await.unwrap(), Some(live(0)));
    let left = store.read_key(&keyless).await.unwrap();
    assert!(left.is_none() || !backend.keeps_keys_with_events());
    // One that stays is the key of the stream from then on.
    if let Some(left) = left {
        assert_eq!(left, live(0));
        let other = Append { new_key: Some(other_key()), ..append(&keyless, 0, 1) };
        assert!(store.append(other).await.is_err());
        assert_eq!(store.read_key(&keyless).await.unwrap(), Some(left));
    }
}

pub(crate) async fn a_destroyed_key_is_gone_for_good_and_the_next_has_the_next_generation(
    backend: &dyn Backend,
) {
    let store = backend.open().await;
    let (stream, other) = (new_stream(), new_stream());
    for stream in [&stream, &other] {
        store.append(Append { new_key: Some(key(0)), ..append(stream, 0, 1) }).await.unwrap();
    }
    let destroyed = |generation| Some(KeyRecord { generation, wrapped: None });
    store.destroy_key(&stream, None).await.unwrap();
    assert_eq!(store.read_key(&stream).await.unwrap(), destroyed(0));
    store.destroy_key(&stream, None).await.unwrap();
    drop(store);

    let store = backend.open().await;
    assert_eq!(store.read_key(&stream).await.unwrap(), destroyed(0));
    assert_eq!(store.read_key(&other).await.unwrap(), Some(live(0)), "nobody else's");
    store.append(Append { new_key: Some(key(1)), ..append(&stream, 1, 1) }).await.unwrap();
    store.destroy_key(&stream, Some(0)).await.unwrap();
    assert_eq!(store.read_key(&stream).await.unwrap(), Some(live(1)), "it is a later one");
    store.destroy_key(&stream, Some(1)).await.unwrap();
    assert_eq!(store.read_key(&stream).await.unwrap(), destroyed(1));
}

pub(crate) async fn destroying_what_is_not_there_leaves_a_mark_and_no_event(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut tail = store.tail();
    let stream = new_stream();
    for _ in 0..2 {
        store.destroy_key(&stream, None).await.unwrap();
        let destroyed = KeyRecord { generation: 0, wrapped: None };
        assert_eq!(store.read_key(&stream).await.unwrap(), Some(destroyed));
    }
    assert_eq!(store.head().await.unwrap(), backend.start());
    assert!(tail.try_recv().is_err(), "no event, so no batch");
}

pub(crate) async fn a_sealed_field_opens_in_its_place_only(backend: &dyn Backend) {
    let store = backend.open().await;
    let vault = vault(&store, &MasterKey::generate());
    let (stream, other) = (new_stream(), new_stream());
    let email = register(&store, &vault, &stream, 0).await;
    register(&store, &vault, &other, 0).await;
    let open = async |stream: &StreamId, version, field: &str| {
        vault.open(stream, version, field, &email).await.unwrap()
    };
    assert_eq!(open(&stream, 0, "email").await, Some(ada()));
    assert_eq!(open(&stream, 1, "email").await, None);
    assert_eq!(open(&stream, 0, "display_name").await, None);
    assert_eq!(open(&other, 0, "email").await, None);
    assert_eq!(open(&new_stream(), 0, "email").await, None);
    let mut damaged = email.clone();
    if let Pii::Sealed(sealed) = &mut damaged {
        sealed.0[20] ^= 1;
    }
    assert_eq!(vault.open(&stream, 0, "email", &damaged).await.unwrap(), None);
}

pub(crate) async fn a_subject_key_of_another_master_key_opens_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let master = MasterKey::generate();
    let stream = new_stream();
    let email = register(&store, &vault(&store, &master), &stream, 0).await;
    let open = async |vault: Vault| vault.open(&stream, 0, "email", &email).await.unwrap();
    // Neither of these has it in memory: both take it from the store.
    assert_eq!(open(vault(&store, &MasterKey::generate())).await, None);
    assert_eq!(open(vault(&store, &master)).await, Some(ada()));
}

pub(crate) async fn what_was_sealed_before_the_key_was_destroyed_never_opens_again(
    backend: &dyn Backend,
) {
    let store = backend.open().await;
    let master = MasterKey::generate();
    let stream = new_stream();
    let before = register(&store, &vault(&store, &master), &stream, 0).await;
    store.destroy_key(&stream, None).await.unwrap();
    assert_eq!(
        vault(&store, &master).open(&stream, 0, "email", &before).await.unwrap(),
        None,
        "the key is gone"
    );
    let after = register(&store, &vault(&store, &master), &stream, 1).await;
    let vault = vault(&store, &master);
    assert_eq!(vault.open(&stream, 1, "email", &after).await.unwrap(), Some(ada()));
    assert_eq!(vault.open(&stream, 0, "email", &before).await.unwrap(), None);
}

/// Appends a sealed event, with the key it needs, and gives its sealed field.
async fn register(
    store: &Arc<dyn EventStore>,
    vault: &Vault,
    stream: &StreamId,
    version: u64,
) -> Pii<EmailAddress> {
    let registered = UserRegistered {
        email: Pii::Clear(ada()),
        email_key: EmailKey([7; 16]),
        display_name: None,
        provider: Provider::Email,
    };
    let mut event: Event = UserEvent::from(registered).into();
    let (key, new_key) = vault.key_for_append(stream, version).await.unwrap();
    key.seal(stream, version, &mut event);
    let new = NewEvent::new(new_event_id(), event.clone(), metadata()).unwrap();
    let (stream, events) = (stream.clone(), vec![new]);
    store.append(Append { stream, expected_length: version, events, new_key }).await.unwrap();
    let Event::User(user) = event else { unreachable!("it is made above") };
    let UserEvent::UserRegistered(registered) = *user else { unreachable!("it is made above") };
    registered.email
}

fn vault(store: &Arc<dyn EventStore>, master: &MasterKey) -> Vault {
    Vault::new(store.clone(), Keys::derive(master).wrapping)
}

fn ada() -> EmailAddress {
    EmailAddress::parse("ada@example.com").unwrap()
}

fn key(generation: u32) -> NewKey {
    NewKey { generation, wrapped: wrapped(generation) }
}

fn other_key() -> NewKey {
    NewKey { generation: 0, wrapped: b"another wrapped key".to_vec() }
}

fn live(generation: u32) -> KeyRecord {
    KeyRecord { generation, wrapped: Some(wrapped(generation)) }
}

fn wrapped(generation: u32) -> Vec<u8> {
    [WRAPPED, &generation.to_le_bytes()].concat()
}
