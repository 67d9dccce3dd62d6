//! Device classes of the browsers that isbot collected. They come without a device, so only what
//! must hold of any browser is asked.

use std::fs;

use whence_events::DeviceClass;
use yaml_rust2::{Yaml, YamlLoader};

use crate::data_sets::data;
use crate::data_sets::uap_core::classify;

#[test]
fn nearly_every_browser_has_a_class() {
    let text = fs::read_to_string(data("isbot").join("browsers.yml")).expect("browsers");
    let documents = YamlLoader::load_from_str(&text).expect("isbot's browsers are YAML");
    let groups = documents[0].as_hash().expect("lists by name");
    let browsers = groups.values().filter_map(Yaml::as_vec).flatten().filter_map(Yaml::as_str);
    let (mut all, mut unknown, mut other) = (0_u32, 0_u32, 0_u32);
    for browser in browsers {
        all += 1;
        match classify(browser) {
            None => {
                unknown += 1;
                println!("unknown: {browser}");
            }
            Some(DeviceClass::Other) => {
                other += 1;
                println!("other:   {browser}");
            }
            Some(
                DeviceClass::Mobile | DeviceClass::Tablet | DeviceClass::Desktop | DeviceClass::Tv,
            ) => {}
        }
    }
    println!("{all} browsers: {unknown} unknown, {other} other");
    // Half of the unknown are Amiga browsers and iOS libraries that name no device; nearly all of
    // the others are consoles and cars.
    assert!(all > 500, "only {all} browsers were read");
    assert!(unknown * 100 <= all * 11, "{unknown} of {all} browsers have no class");
    assert!(other * 100 <= all * 3, "{other} of {all} browsers are taken for no computer");
}
