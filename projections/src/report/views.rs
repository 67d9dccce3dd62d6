//! The tables of the views, made out of facts.

mod clicks;
mod funnel;
mod models;
mod retention;
mod signups;
mod time_to_signup;
mod tree;
mod viral;

use super::fold::ReportFold;
use super::query::Query;
use super::table::Table;
use super::view::View;

impl ReportFold {
    /// Returns the answer of a view to a query.
    #[must_use]
    pub fn table(&self, view: View, query: &Query) -> Table {
        let (facts, as_of) = (&self.facts, self.as_of);
        let table = match view {
            View::Signups => signups::table(facts, query, as_of),
            View::Domains => clicks::domains(facts, query, as_of),
            View::Funnel => funnel::table(facts, query, as_of),
            View::Referrers => clicks::referrers(facts, query, as_of),
            View::Creators => clicks::creators(facts, query, as_of),
            View::Tree => tree::table(facts, query, as_of),
            View::Viral => viral::table(facts, query, as_of),
            View::TimeToSignup => time_to_signup::table(facts, query, as_of),
            View::Retention => retention::table(facts, query, as_of),
            View::Models => models::table(facts, query, as_of),
        };
        Table { zone: query.zone.clone(), bot_rules: self.bot_rules, ..table }
    }
}
