//! The output of the demo: calm, and at most 100 columns wide.

use std::io::IsTerminal as _;

use serde_json::Value;
use whence_events::Recorded;

use super::client::{DemoAnswer, DemoRequest};
use crate::cli::flags::environment::no_color;
use crate::cli::terminal::stdout::print_exact;

/// How many columns a line has.
const WIDTH: usize = 100;

/// How many characters of an id are enough to distinguish it on the screen.
const SHORT_ID: usize = 8;

/// The screen of the demo: standard output.
pub(super) struct Screen {
    colours: bool,
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Bold,
    Dim,
    Event,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { colours: std::io::stdout().is_terminal() && !no_color() }
    }

    pub(super) fn title(&self, text: &str) -> anyhow::Result<()> {
        self.line("", text, Style::Bold)
    }

    pub(super) fn note(&self, text: &str) -> anyhow::Result<()> {
        self.line("", text, Style::Dim)
    }

    pub(super) fn blank(&self) -> anyhow::Result<()> {
        self.line("", "", Style::Plain)
    }

    pub(super) fn step(&self, number: usize, what: &str) -> anyhow::Result<()> {
        self.blank()?;
        self.line("", &format!("{number}. {what}"), Style::Bold)
    }

    pub(super) fn request(&self, request: &DemoRequest) -> anyhow::Result<()> {
        let body = request.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
        self.line("   > ", &format!("{} {}{body}", request.method, request.path), Style::Plain)
    }

    pub(super) fn answer(&self, answer: &DemoAnswer) -> anyhow::Result<()> {
        let place = answer.header("location").map(|place| format!(" to {place}"));
        let what = place.unwrap_or_else(|| format!(" {}", answer.body));
        self.line("   < ", &format!("{}{what}", answer.status), Style::Plain)?;
        let planted = answer.all("set-cookie").filter(|line| !line.contains("Max-Age=0"));
        let names: Vec<_> = planted.filter_map(|line| line.split('=').next()).collect();
        if !names.is_empty() {
            self.line("     ", &format!("cookies: {}", names.join(", ")), Style::Dim)?;
        }
        Ok(())
    }

    pub(super) fn mail(&self, to: &str, what: &str) -> anyhow::Result<()> {
        self.line("   @ ", &format!("mail to {to}: {what}"), Style::Plain)
    }

    pub(super) fn json(&self, value: &Value) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        text.lines().try_for_each(|line| self.line("     ", line, Style::Plain))
    }

    /// Prints what follows from an answer.
    pub(super) fn fact(&self, text: &str) -> anyhow::Result<()> {
        self.line("   = ", text, Style::Bold)
    }

    /// Prints position, type and stream of an event, then its fields: personal ones sealed.
    pub(super) fn event(&self, recorded: &Recorded) -> anyhow::Result<()> {
        let stream = recorded.stream.to_string();
        let (family, id) = stream.rsplit_once('-').unwrap_or(("", &stream));
        // Ids made in the same second differ at their end.
        let family = family.split('-').next().unwrap_or(family);
        let id = &id[id.floor_char_boundary(id.len().saturating_sub(SHORT_ID))..];
        let (position, event_type) = (recorded.position, recorded.event.event_type());
        let mut line = format!("{position:>3} {event_type:<26} {family}-..{id:<SHORT_ID$}");
        let indent = " ".repeat(31);
        for field in fields(recorded) {
            if line.len() + field.len() + 6 > WIDTH {
                self.line("   + ", &line, Style::Event)?;
                line.clone_from(&indent);
            }
            line = format!("{line} {field}");
        }
        self.line("   + ", &line, Style::Event)
    }

    fn line(&self, indent: &str, text: &str, style: Style) -> anyhow::Result<()> {
        let text = cut(&format!("{indent}{text}"));
        let code = match style {
            Style::Plain => 0,
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Event => 36,
        };
        let coloured = self.colours && code != 0;
        let line = if coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text };
        print_exact(format!("{line}\n"))
    }
}

/// Returns `name=value` for what is short and known, `name=sealed` for what is personal.
fn fields(recorded: &Recorded) -> Vec<String> {
    let mut personal = Vec::new();
    recorded.event.clone().visit_pii(&mut |name, _| personal.push(name));
    let data: Value = serde_json::from_slice(&recorded.data).unwrap_or_default();
    let Some(data) = data.as_object() else { return vec![] };
    let sealed = personal.iter().map(|name| format!("{name}=sealed"));
    let clear = data.iter().filter(|(name, _)| !personal.contains(&name.as_str()));
    let clear = clear.filter_map(|(name, value)| match value {
        Value::String(text) if text.len() <= 16 => Some(format!("{name}={text}")),
        Value::Bool(_) | Value::Number(_) => Some(format!("{name}={value}")),
        Value::String(_) | Value::Array(_) | Value::Object(_) | Value::Null => None,
    });
    sealed.chain(clear).collect()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH - 2) {
        Some((end, _)) if line.chars().count() > WIDTH => format!("{}..", &line[..end]),
        _ => line.to_owned(),
    }
}
