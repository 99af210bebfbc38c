//! Automata over the texts that a subject can be, and the search for a text that two of them accept.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::template::{Filter, Part, Place};
use super::{Matcher, Template, When};
use crate::caller::Field;

/// How many pairs of states are looked at for a whole policy, before it is refused rather than waited for: a second or
/// two. A policy of 500 rules with patterns as people write them needs a tenth of it.
const BUDGET: usize = 8_000_000;
/// The same for one pair of rules, which bounds the memory.
const PAIR_BUDGET: usize = 1_000_000;

/// A set of ASCII bytes.
type Bytes = u128;

/// Capital letters as small ones, 32 places further.
fn lower(bytes: Bytes) -> Bytes {
    const CAPITALS: Bytes = ((1 << 26) - 1) << b'A';
    (bytes & !CAPITALS) | ((bytes & CAPITALS) << 32)
}

fn one(byte: u8) -> Bytes {
    if byte.is_ascii() { 1 << byte } else { 0 }
}

/// A non-deterministic automaton over ASCII with empty moves; state 0 is the start, the last one accepts.
#[derive(Default)]
pub(super) struct Automaton {
    states: Vec<State>,
    folded: bool,
}

#[derive(Default)]
struct State {
    moves: Vec<(Bytes, usize)>,
    empty: Vec<usize>,
}

impl Automaton {
    /// The subjects that a rule can give; with any account instead of the rule's own, and without letter case, if asked.
    pub(super) fn of(subject: &Template, when: &When, any_account: bool, folded: bool) -> Self {
        let mut automaton = Self { folded, ..Self::default() };
        let mut at = automaton.state();
        for part in subject.parts() {
            at = match part {
                Part::Literal(text) => {
                    text.bytes().fold(at, |at, byte| automaton.step(at, Place::Subject.alphabet(byte).then_some(byte)))
                }
                Part::Field(field, filters) => automaton.field(at, *field, filters, when, any_account),
            };
        }
        let end = automaton.state();
        automaton.link(at, end);
        automaton
    }

    /// How many states.
    pub(super) fn size(&self) -> usize {
        self.states.len()
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
        let bytes = if self.folded { lower(bytes) } else { bytes };
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

    fn field(&mut self, from: usize, field: Field, filters: &[Filter], when: &When, any_account: bool) -> usize {
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
                if any_account {
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

/// The search, with what is left of its budget.
pub(super) struct Search {
    left: Cell<usize>,
    seen: BTreeSet<(usize, usize)>,
    open: Vec<(usize, usize)>,
}

impl Default for Search {
    fn default() -> Self {
        Self { left: Cell::new(BUDGET), seen: BTreeSet::new(), open: Vec::new() }
    }
}

impl Search {
    /// Has the budget run out? Then the last answer means nothing.
    pub(super) fn exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// Work that is not a search.
    pub(super) fn charge(&self, work: usize) {
        self.left.set(self.left.get().saturating_sub(work));
    }

    /// Is there a text that both accept?
    pub(super) fn meet(&mut self, one: &Automaton, other: &Automaton) -> bool {
        self.seen.clear();
        self.open.clear();
        self.visit((0, 0));
        while let Some((i, j)) = self.open.pop() {
            if i + 1 == one.states.len() && j + 1 == other.states.len() {
                return true;
            }
            if self.seen.len() > PAIR_BUDGET {
                self.left.set(0);
            }
            let (Some(a), Some(b)) = (one.states.get(i), other.states.get(j)) else { continue };
            for to in &a.empty {
                self.visit((*to, j));
            }
            for to in &b.empty {
                self.visit((i, *to));
            }
            for (bytes, to) in &a.moves {
                for (_, other) in b.moves.iter().filter(|(others, _)| bytes & others != 0) {
                    self.visit((*to, *other));
                }
            }
            if self.exhausted() {
                return false;
            }
        }
        false
    }

    fn visit(&mut self, pair: (usize, usize)) {
        self.charge(1);
        if self.seen.insert(pair) {
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
