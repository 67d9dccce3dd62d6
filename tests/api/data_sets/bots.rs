//! The rules about bots against lists of user agents that others collected.

use std::fs;
use std::path::{Path, PathBuf};

use whence::domain::bots::{is_bot, kept};
use yaml_rust2::{Yaml, YamlLoader};

use crate::data_sets::{data, uap_core};

/// Agents by others, with what the list says they are.
struct List {
    name: &'static str,
    bots: bool,
    agents: Vec<String>,
}

impl List {
    /// Prints how many the rules judge otherwise, and each of them, up to 40; returns how many.
    fn judge(&self) -> usize {
        let wrong: Vec<_> = self
            .agents
            .iter()
            .filter(|agent| is_bot(kept(agent).as_deref()) != self.bots)
            .collect();
        let (all, missed) = (self.agents.len(), wrong.len());
        let share = missed * 100_000 / all;
        let what =
            if self.bots { "bots are taken for people" } else { "people are taken for bots" };
        println!("{}: {missed} of {all} {what}, {}.{:03} %", self.name, share / 1000, share % 1000);
        for agent in wrong.iter().take(40) {
            println!("    {agent}");
        }
        missed
    }

    /// Asserts that at most so many in a thousand are judged otherwise.
    #[track_caller]
    fn at_most(&self, in_a_thousand: usize) {
        let (all, missed) = (self.agents.len(), self.judge());
        assert!(missed * 1000 <= all * in_a_thousand, "{}: {missed} of {all}", self.name);
    }
}

/// A list of isbot: agents by name.
fn isbot(file: &str) -> Vec<String> {
    let text = fs::read_to_string(data("isbot").join(file)).expect("a list of isbot");
    let documents = YamlLoader::load_from_str(&text).expect("isbot's lists are YAML");
    let groups = documents[0].as_hash().expect("lists by name");
    let agents = groups.values().filter_map(Yaml::as_vec).flatten().filter_map(Yaml::as_str);
    agents.map(str::to_owned).collect()
}

/// The folder of a package that `scripts/prepare --tests` unpacked.
fn package(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/user-agents");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_name = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str());
        let unfinished = path.extension().is_some_and(|extension| extension == "new");
        file.is_some_and(|file| file.starts_with(name)) && !unfinished
    };
    let newest = entries.filter(of_name).max();
    newest.unwrap_or_else(|| panic!("{name} is missing: scripts/prepare --tests installs it"))
}

/// The lines of a list of `CrawlerDetect`.
fn crawler_detect(file: &str) -> Vec<String> {
    let path = package("crawlerdetect").join("tests/fixtures/user_agent").join(file);
    let text = fs::read(path).expect("a list of CrawlerDetect");
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn crawlers_of_isbot_are_bots() {
    let list = List { name: "isbot, crawlers", bots: true, agents: isbot("crawlers.yml") };
    assert!(list.agents.len() > 600, "only {} were read", list.agents.len());
    list.at_most(10);
}

#[test]
fn browsers_of_isbot_are_people() {
    let list = List { name: "isbot, browsers", bots: false, agents: isbot("browsers.yml") };
    assert!(list.agents.len() > 500, "only {} were read", list.agents.len());
    list.at_most(2);
}

#[test]
fn devices_of_uap_core_are_people() {
    // What uap-core calls a spider is none.
    let devices = uap_core::cases().into_iter().filter(|case| case.family != "Spider");
    let agents = devices.map(|case| case.user_agent).collect();
    let list = List { name: "uap-core, devices", bots: false, agents };
    assert!(list.agents.len() > 16_000, "only {} were read", list.agents.len());
    list.at_most(1);
}

#[test]
fn crawler_user_agents_are_bots() {
    let file = package("crawler-user-agents").join("crawleruseragents/crawler-user-agents.json");
    let text = fs::read_to_string(file).expect("a list of crawler-user-agents");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a list of patterns");
    let instances = entries.iter().filter_map(|entry| entry["instances"].as_array()).flatten();
    let agents = instances.filter_map(|agent| agent.as_str()).map(str::to_owned).collect();
    let list = List { name: "crawler-user-agents", bots: true, agents };
    assert!(list.agents.len() > 2_000, "only {} were read", list.agents.len());
    list.at_most(10);
}

#[test]
fn crawlers_of_crawler_detect_are_bots() {
    let agents = crawler_detect("crawlers.txt");
    let list = List { name: "CrawlerDetect, crawlers", bots: true, agents };
    assert!(list.agents.len() > 3_000, "only {} were read", list.agents.len());
    list.at_most(10);
}

/// A third of those that are taken for bots are no agents: numbers, texts of attacks, single words.
#[test]
fn devices_of_crawler_detect_are_people() {
    let agents = crawler_detect("devices.txt");
    let list = List { name: "CrawlerDetect, devices", bots: false, agents };
    assert!(list.agents.len() > 100_000, "only {} were read", list.agents.len());
    list.at_most(3);
}
