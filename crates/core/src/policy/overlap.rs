//! Can two rules give one subject to different principals? Decided on patterns, for all callers there can ever be.
//!
//! A subject template, with what its rule admits for each field, is a regular language; two subjects can be equal if
//! the languages intersect. A field stands for its `when` entries (any text where there is none) over the field's own
//! alphabet, after its filters. Lengths are not looked at, so the answer errs towards "they can".

use std::collections::BTreeMap;

use super::problem::{Path, Problems};
use super::template::{Filter, Part, Place};
use super::{Action, Allow, Matcher, Rule, Template, When, carries_identity, name_fields};
use crate::caller::Field;

/// Above this many accounts a rule is first looked at as if it admitted every account: almost every pair of rules is
/// told apart by less, and the exact answer costs as many states as there are digits.
const FEW_ACCOUNTS: usize = 16;
/// How many pairs of states are looked at for a whole policy, before it is refused rather than waited for: a fraction of
/// a second. A policy of 500 rules with patterns as people write them needs a few millions.
const BUDGET: usize = 20_000_000;

/// Report each pair of allow rules that share an audience and can give one subject to different principals.
pub(super) fn check(rules: &[Option<Rule>], path: &Path, problems: &mut Problems) {
    struct Candidate<'r> {
        index: usize,
        rule: &'r Rule,
        allow: &'r Allow,
        rough: Automaton,
    }
    let candidates: Vec<Candidate<'_>> = rules
        .iter()
        .enumerate()
        .filter_map(|(index, rule)| match rule.as_ref() {
            Some(rule @ Rule { action: Action::Allow(allow), .. }) => {
                Some(Candidate { index, rule, allow, rough: Automaton::of(&allow.subject, &rule.when, true) })
            }
            _ => None,
        })
        .collect();
    let mut search = Search { left: BUDGET, ..Search::default() };
    for (place, second) in candidates.iter().enumerate() {
        for first in candidates.iter().take(place) {
            let shared = first.allow.shared_subject && second.allow.shared_subject;
            if shared
                || first.allow.audiences.is_disjoint(&second.allow.audiences)
                || same_principals(first.rule, second.rule)
            {
                continue;
            }
            let exact =
                |candidate: &Candidate<'_>| Automaton::of(&candidate.allow.subject, &candidate.rule.when, false);
            let equal = search.meet(&first.rough, &second.rough) && search.meet(&exact(first), &exact(second));
            if search.left == 0 {
                let (first, second) = (&first.rule.name, &second.rule.name);
                problems.push(path.clone(), format!("the subjects are too intricate to be compared (at the rules `{first}` and `{second}`): use fewer `*` in patterns, or shorter lists"));
                return;
            }
            if equal {
                problems.push(
                    path.index(second.index).key("grant").key("subject"),
                    format!(
                        "a caller of this rule and another one of the rule `{}` can have the same subject: tell them apart (a prefix, {{account}}, narrower patterns), or write `shared_subject: true` in both if that is meant",
                        first.rule.name
                    ),
                );
            }
        }
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

/// A set of ASCII bytes.
type Bytes = u128;

fn one(byte: u8) -> Bytes {
    if byte.is_ascii() { 1 << byte } else { 0 }
}

/// A non-deterministic automaton over ASCII with empty moves; state 0 is the start, the last one accepts.
#[derive(Default)]
struct Automaton {
    states: Vec<State>,
}

#[derive(Default)]
struct State {
    moves: Vec<(Bytes, usize)>,
    empty: Vec<usize>,
}

impl Automaton {
    /// The subjects that a rule can give.
    fn of(subject: &Template, when: &When, rough: bool) -> Self {
        let mut automaton = Self::default();
        let mut at = automaton.state();
        for part in subject.parts() {
            at = match part {
                Part::Literal(text) => {
                    text.bytes().fold(at, |at, byte| automaton.step(at, Place::Subject.alphabet(byte).then_some(byte)))
                }
                Part::Field(field, filters) => automaton.field(at, *field, filters, when, rough),
            };
        }
        let end = automaton.state();
        automaton.link(at, end);
        automaton
    }

    fn state(&mut self) -> usize {
        self.states.push(State::default());
        self.states.len() - 1
    }

    fn link(&mut self, from: usize, to: usize) {
        if let Some(state) = self.states.get_mut(from) {
            state.empty.push(to);
        }
    }

    fn arrow(&mut self, from: usize, bytes: Bytes, to: usize) {
        if let Some(state) = self.states.get_mut(from) {
            state.moves.push((bytes, to));
        }
    }

    /// One byte further; `None` is a byte that can never come.
    fn step(&mut self, from: usize, byte: Option<u8>) -> usize {
        let to = self.state();
        self.arrow(from, byte.map_or(0, one), to);
        to
    }

    /// Any run of these bytes.
    fn run(&mut self, from: usize, bytes: Bytes) -> usize {
        let looping = self.state();
        self.link(from, looping);
        self.arrow(looping, bytes, looping);
        looping
    }

    fn field(&mut self, from: usize, field: Field, filters: &[Filter], when: &When, rough: bool) -> usize {
        let end = self.state();
        let any = [Matcher::new(match field {
            Field::RoleId => "AROA*",
            Field::UserId => "AIDA*",
            _ => "*",
        })];
        let listed: Vec<Matcher>;
        let entries: &[Matcher] = match field {
            Field::Account => {
                let accounts: Vec<&String> = when.accounts.iter().flatten().collect();
                if rough && accounts.len() > FEW_ACCOUNTS {
                    let at = (0..12).fold(from, |at, _| {
                        let to = self.state();
                        self.arrow(at, alphabet(field, filters), to);
                        to
                    });
                    self.link(at, end);
                    return end;
                }
                listed = accounts.into_iter().map(|account| Matcher::Exact(account.clone())).collect();
                &listed
            }
            Field::Partition => {
                listed = when.partitions.iter().map(|partition| Matcher::Exact(partition.clone())).collect();
                &listed
            }
            _ => when.entries(field).unwrap_or(&any),
        };
        // Literal entries share their beginnings, so that a long list is walked once.
        let mut tree: BTreeMap<(usize, u8), usize> = BTreeMap::new();
        for entry in entries {
            match entry {
                Matcher::Exact(text) => {
                    let legal = text.bytes().all(|byte| field.alphabet(byte));
                    let value = filters.iter().try_fold(text.clone(), |value, filter| filter.apply(&value));
                    let Some(value) = value.filter(|_| legal) else { continue };
                    let mut at = from;
                    for byte in value.bytes() {
                        at = if let Some(known) = tree.get(&(at, byte)) {
                            *known
                        } else {
                            let to = self.step(at, Some(byte));
                            tree.insert((at, byte), to);
                            to
                        };
                    }
                    self.link(at, end);
                }
                Matcher::Glob(pieces) => {
                    let at = self.glob(from, field, filters, pieces);
                    self.link(at, end);
                }
            }
        }
        end
    }

    fn glob(&mut self, from: usize, field: Field, filters: &[Filter], pieces: &[String]) -> usize {
        let local = filters.contains(&Filter::LocalPart);
        let run = alphabet(field, filters);
        let mut at = self.state();
        self.link(from, at);
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                at = self.run(at, run);
            }
            let last = index + 1 == pieces.len();
            let kept = match piece.rsplit_once('@') {
                Some((kept, _)) if local && last => kept,
                _ => piece,
            };
            for byte in kept.bytes() {
                let possible = field.alphabet(byte) && !(local && byte == b'@');
                let folded = filters.iter().fold(byte, |byte, filter| filter.byte(byte));
                at = self.step(at, possible.then_some(folded));
            }
        }
        at
    }
}

/// The search for a text that two automata both accept. Its memory is used again from pair to pair.
#[derive(Default)]
struct Search {
    /// Pairs of states that may still be looked at.
    left: usize,
    /// One bit for each pair of states.
    seen: Vec<u64>,
    open: Vec<(usize, usize)>,
}

impl Search {
    /// Is there a text that both accept? When the budget runs out, the answer means nothing.
    fn meet(&mut self, one: &Automaton, other: &Automaton) -> bool {
        let width = other.states.len();
        let pairs = one.states.len() * width;
        // Clearing costs too, a word at a time.
        let words = pairs.div_ceil(64);
        self.left = self.left.saturating_sub(words);
        if self.left == 0 {
            return false;
        }
        self.seen.clear();
        self.seen.resize(words, 0);
        self.open.clear();
        self.visit((0, 0), width);
        while let Some((i, j)) = self.open.pop() {
            if i + 1 == one.states.len() && j + 1 == width {
                return true;
            }
            let (Some(a), Some(b)) = (one.states.get(i), other.states.get(j)) else { continue };
            for to in &a.empty {
                self.visit((*to, j), width);
            }
            for to in &b.empty {
                self.visit((i, *to), width);
            }
            for (bytes, to) in &a.moves {
                for (_, other) in b.moves.iter().filter(|(others, _)| bytes & others != 0) {
                    self.visit((*to, *other), width);
                }
            }
            if self.left == 0 {
                return false;
            }
        }
        false
    }

    fn visit(&mut self, pair: (usize, usize), width: usize) {
        let bit = pair.0 * width + pair.1;
        self.left = self.left.saturating_sub(1);
        if let Some(word) = self.seen.get_mut(bit / 64)
            && *word & (1 << (bit % 64)) == 0
        {
            *word |= 1 << (bit % 64);
            self.open.push(pair);
        }
    }
}

/// The bytes of a field after its filters.
fn alphabet(field: Field, filters: &[Filter]) -> Bytes {
    let local = filters.contains(&Filter::LocalPart);
    (0..128u8)
        .filter(|byte| field.alphabet(*byte) && !(local && *byte == b'@'))
        .map(|byte| one(filters.iter().fold(byte, |byte, filter| filter.byte(byte))))
        .fold(0, |all, byte| all | byte)
}
