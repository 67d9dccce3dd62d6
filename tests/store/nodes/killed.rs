//! A node dies under load: the others go on.

use std::collections::BTreeMap;

use whence_events::{Event, Recorded, UserEvent};

use crate::nodes::cluster::Cluster;
use crate::nodes::ledger::{Ledger, under_load};

/// Whoever is registered has all that one append gave them.
fn whole(events: &[Recorded]) {
    let mut appends: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for recorded in events.iter().filter(|e| matches!(e.event, Event::User(_))) {
        let place = format!("{} {}", recorded.stream, recorded.metadata.correlation_id);
        appends.entry(place).or_default().push(recorded.event.event_type());
    }
    let first = ["UserRegistered.v1", "AttributionCaptured.v2", "SessionOpened.v1"];
    for (place, types) in appends {
        if types.contains(&first[0]) {
            assert_eq!(types[..3], first, "{place}");
        }
    }
}

async fn one_of_two_dies(projecting: bool) {
    let cluster = Cluster::new().await;
    let (one, other) = (cluster.node().await, cluster.node().await);
    assert_eq!(cluster.projecting().await.as_ref(), Some(&one.name));
    let (mut dies, stays) = if projecting { (one, other) } else { (other, one) };
    let ledger = Ledger::default();
    let faces = [dies.face(), stays.face()];
    let happens = async {
        ledger.until_more(40).await;
        dies.kill();
        ledger.until_more(60).await;
    };
    under_load(&ledger, &faces, happens).await;
    ledger.say(if projecting { "the node that projects dies" } else { "a node dies" });
    ledger.check(&stays).await;
    let events = cluster.check(&stays).await;
    whole(&events);
    let opened = |e: &&Recorded| matches!(&e.event, Event::User(event) if matches!(event.as_ref(), UserEvent::SessionOpened(_)));
    assert!(events.iter().filter(opened).count() >= ledger.logins());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_under_load_takes_nothing_along() {
    for projecting in [false, true, false, true] {
        one_of_two_dies(projecting).await;
    }
}
