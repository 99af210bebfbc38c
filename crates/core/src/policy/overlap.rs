//! Can two rules give one subject to different principals? Decided on patterns, for all callers there can ever be.
//!
//! A subject template, with what its rule admits for each field, is a regular language; two subjects can be equal if
//! the languages intersect. A field stands for its `when` entries (any text where there is none) over the field's own
//! alphabet, after its filters. Lengths are not looked at, so the answer errs towards "they can". For a Snowflake
//! audience letter case is not looked at either: Snowflake's login names do not have it.

use std::cell::OnceCell;

use super::automaton::{Automaton, Search};
use super::problem::{Path, Problems};
use super::template::{Filter, Part};
use super::{Action, Allow, Rule, Template, When, carries_identity, name_fields};
use crate::caller::Field;

/// Above this many accounts a rule is first looked at as if it admitted every account: almost every pair of rules is
/// told apart by less, and the exact answer costs as many states as there are digits.
const FEW_ACCOUNTS: usize = 16;

/// Two rules that can give one subject to different principals, by their places in the policy.
pub(super) type Meeting = (usize, usize);

/// Report each pair of allow rules that share an audience and can give one subject to different principals.
pub(super) fn check(
    rules: &[Option<Rule>],
    case_ignored: impl Fn(usize) -> bool,
    path: &Path,
    problems: &mut Problems,
) {
    let present = rules.iter().enumerate().filter_map(|(index, rule)| Some((index, rule.as_ref()?)));
    let name = |index: usize| rules.get(index).and_then(Option::as_ref).map_or("", |rule| rule.name.as_str());
    match meetings(present, case_ignored, |first, second| !(first.shared_subject && second.shared_subject)) {
        Ok(found) => {
            for (first, second) in found {
                problems.push(
                    path.index(second).key("grant").key("subject"),
                    format!(
                        "a caller of this rule and another one of the rule `{}` can have the same subject: tell them apart (a prefix, {{account}}, narrower patterns), or write `shared_subject: true` in both if that is meant",
                        name(first)
                    ),
                );
            }
        }
        Err((first, second)) => problems.push(
            path.clone(),
            format!(
                "the subjects are too intricate to be compared (at the rules `{}` and `{}`): use fewer `*` in patterns, or shorter lists",
                name(first),
                name(second)
            ),
        ),
    }
}

/// The pairs among the wanted ones; an error if the comparison would take too long, with the pair at which it ended.
pub(super) fn meetings<'r>(
    rules: impl Iterator<Item = (usize, &'r Rule)>,
    case_ignored: impl Fn(usize) -> bool,
    wanted: impl Fn(&Allow, &Allow) -> bool,
) -> Result<Vec<Meeting>, Meeting> {
    let candidates: Vec<Candidate<'_>> = rules
        .filter_map(|(index, rule)| match &rule.action {
            Action::Allow(allow) => Some(Candidate { index, rule, allow, forms: Default::default() }),
            Action::Deny(_) => None,
        })
        .collect();
    let mut search = Search::default();
    let mut found = Vec::new();
    for (place, second) in candidates.iter().enumerate() {
        for first in candidates.iter().take(place) {
            let mut common = first.allow.audiences.intersection(&second.allow.audiences).peekable();
            if common.peek().is_none() || !wanted(first.allow, second.allow) || same_principals(first.rule, second.rule)
            {
                continue;
            }
            let folded = common.any(|audience| case_ignored(*audience));
            if first.meets(second, folded, &mut search) {
                found.push((first.index, second.index));
            }
            if search.exhausted() {
                return Err((first.index, second.index));
            }
        }
    }
    Ok(found)
}

struct Candidate<'r> {
    index: usize,
    rule: &'r Rule,
    allow: &'r Allow,
    /// Roughly and exactly, and each with letter case and without; made when first asked for.
    forms: [OnceCell<Automaton>; 4],
}

impl Candidate<'_> {
    fn meets(&self, other: &Self, folded: bool, search: &mut Search) -> bool {
        let by_account = self.accounts_at_the_same_place(other, folded);
        if by_account == Some(false) {
            return false;
        }
        if !search.meet(self.form(true, folded, None), other.form(true, folded, None)) {
            return false;
        }
        // Whichever common account it is, the rest of the subject is the same: the rough answer is exact.
        if by_account == Some(true) || !(self.is_rough() || other.is_rough()) {
            return true;
        }
        search.meet(self.form(false, folded, Some(search)), other.form(false, folded, Some(search)))
    }

    fn is_rough(&self) -> bool {
        self.rule.when.accounts.as_ref().is_some_and(|accounts| accounts.len() > FEW_ACCOUNTS)
            && self.allow.subject.carries(Field::Account)
    }

    /// If the account stands in both subjects behind the same text: do they have one in common?
    fn accounts_at_the_same_place(&self, other: &Self, folded: bool) -> Option<bool> {
        fn before(template: &Template) -> Option<&str> {
            match template.parts() {
                [Part::Field(Field::Account, _), ..] => Some(""),
                [Part::Literal(text), Part::Field(Field::Account, _), ..] => Some(text),
                _ => None,
            }
        }
        let (mine, theirs) = (before(&self.allow.subject)?, before(&other.allow.subject)?);
        let same = if folded { mine.eq_ignore_ascii_case(theirs) } else { mine == theirs };
        let (accounts, others) = (self.rule.when.accounts.as_ref()?, other.rule.when.accounts.as_ref()?);
        same.then(|| !accounts.is_disjoint(others))
    }

    fn form(&self, rough: bool, folded: bool, charged: Option<&Search>) -> &Automaton {
        let cell = &self.forms[usize::from(rough) * 2 + usize::from(folded)];
        cell.get_or_init(|| {
            let any_account = rough && self.is_rough();
            let automaton = Automaton::of(&self.allow.subject, &self.rule.when, any_account, folded);
            if let Some(search) = charged {
                search.charge(automaton.size());
            }
            automaton
        })
    }
}

/// Does an equal subject of the two rules mean an equal principal (but for what a filter folds)?
///
/// So it is if both are of one kind and build the subject the same way, and each part of a principal's identity is
/// either carried by that subject or one and the same literal in both rules. The same way: the same template, filters
/// that fold apart, and the same domain where `local_part` drops it.
fn same_principals(first: &Rule, second: &Rule) -> bool {
    let (Action::Allow(allow), Action::Allow(other)) = (&first.action, &second.action) else { return false };
    if allow.kind != other.kind {
        return false;
    }
    let (when, others) = (&first.when, &second.when);
    let equal = |name: Field| when.only_literal(name).is_some() && when.only_literal(name) == others.only_literal(name);
    let one_account = one_and_equal(when, others);
    let names = name_fields(allow.kind);
    if one_account && names.iter().all(|name| equal(*name)) {
        return true;
    }
    let one_partition = when.partitions.len() == 1 && when.partitions == others.partitions;
    let carried = |field: Field| carries_identity(&allow.subject, field);
    let located = one_account || (carried(Field::Account) && (one_partition || carried(Field::Partition)));
    let named = names.iter().all(|name| carried(*name) || equal(*name));
    located && named && alike(&allow.subject, &other.subject, when.domain() == others.domain())
}

/// One partition and one account, the same in both.
fn one_and_equal(first: &When, second: &When) -> bool {
    let one = |when: &When| when.partitions.len() == 1 && when.accounts.as_ref().is_some_and(|set| set.len() == 1);
    one(first) && one(second) && first.partitions == second.partitions && first.accounts == second.accounts
}

/// Equal templates, filters that fold apart.
fn alike(first: &Template, second: &Template, domains_equal: bool) -> bool {
    let local = |filters: &[Filter]| filters.contains(&Filter::LocalPart);
    first.parts().len() == second.parts().len()
        && first.parts().iter().zip(second.parts()).all(|pair| match pair {
            (Part::Literal(text), Part::Literal(other)) => text == other,
            (Part::Field(field, filters), Part::Field(other, others)) => {
                field == other && local(filters) == local(others) && (!local(filters) || domains_equal)
            }
            _ => false,
        })
}
