//! Who gains and who loses between two trust policies.
//!
//! Somebody gains unless it is certain that the old policy lets them in. A narrower pattern under the old one is no gain,
//! nor is one that several old ones cover together; what was not understood, or would take too long to tell, is one.

use std::collections::BTreeSet;

use serde::Serialize;

use super::admission::{Admission, has_several_values, written};
use super::condition::{Condition, Quantifier};
use super::document::{Policy, Statement};
use super::finding::Code;
use super::input::Input;
use super::lint::examine;
use super::pattern::{Pattern, Within, within};
use super::principal::Principal;

/// Who gains and who loses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Those who get in by the new policy and not, or not for certain, by the old one.
    pub gains: Vec<Change>,
    /// Those who got in by the old policy and do not, or not for certain, by the new one.
    pub losses: Vec<Change>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The role, if it is known.
    pub role: Option<String>,
    /// The statement, in the policy that lets them in.
    pub statement: usize,
    /// Who, in words.
    pub who: String,
    /// Why the other policy does not let them in.
    pub why: String,
    /// A subject that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// Why two files cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// Two roles of one name, of two accounts for instance.
    #[error(
        "the {0} file has several roles {1:?}, so it is not known which to compare: give one account's roles at a time"
    )]
    SameName(&'static str, String),
    /// Which of two equal names counts depends on the reader.
    #[error("the {0} policy cannot be read in one way only: {1}")]
    Ambiguous(&'static str, String),
}

/// Compares what two files hold: two policies, or roles by their names.
pub fn diff(old: &[Input], new: &[Input]) -> Result<Diff, Incomparable> {
    let (old, new) = (sides("old", old)?, sides("new", new)?);
    let mut diff = Diff::default();
    if let ([one], [other]) = (old.as_slice(), new.as_slice()) {
        compare(Some(one), Some(other), &mut diff);
        return Ok(diff);
    }
    let names: BTreeSet<&Option<String>> = old.iter().chain(&new).map(|side| &side.role).collect();
    for name in names {
        let of = |sides: &[Side]| sides.iter().position(|side| side.role == *name);
        compare(of(&old).and_then(|at| old.get(at)), of(&new).and_then(|at| new.get(at)), &mut diff);
    }
    Ok(diff)
}

/// One policy, read.
struct Side {
    role: Option<String>,
    account: Option<String>,
    policy: Policy,
    admitted: Vec<Admission>,
}

fn sides(which: &'static str, inputs: &[Input]) -> Result<Vec<Side>, Incomparable> {
    let side = |input: &Input| {
        let (policy, findings) = examine(input);
        let twice = findings.sorted().into_iter().find(|finding| finding.code == Code::DuplicateKey);
        if let Some(finding) = twice {
            return Err(Incomparable::Ambiguous(which, finding.message));
        }
        let admitted = Admission::of(&policy);
        Ok(Side { role: input.role.clone(), account: input.account.clone(), policy, admitted })
    };
    let sides = inputs.iter().map(side).collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    match sides.iter().find(|side| !names.insert(&side.role)) {
        Some(twice) => Err(Incomparable::SameName(which, twice.role.clone().unwrap_or_default())),
        None => Ok(sides),
    }
}

fn compare(old: Option<&Side>, new: Option<&Side>, diff: &mut Diff) {
    diff.gains.extend(missing(new, old, false));
    diff.losses.extend(missing(old, new, true));
}

/// Those of `of` who are not, or not for certain, let in by `by`; `lost` says which of the two is the new one.
fn missing(of: Option<&Side>, by: Option<&Side>, lost: bool) -> Vec<Change> {
    let Some(of) = of else { return Vec::new() };
    let nothing = Vec::new();
    let (others, account) = by.map_or((&nothing, None), |by| (&by.admitted, by.account.as_deref()));
    let account = account.or(of.account.as_deref());
    let mut changes = Vec::new();
    for admission in of.admitted.iter().filter(|admission| admission.lets_in_somebody()) {
        if let Err((why, example)) = covered(admission, others, account) {
            let (role, statement) = (of.role.clone(), admission.statement);
            changes.push(Change { role, statement, who: admission.words(), why, example });
        }
    }
    // What a Deny took away comes back when it goes; which part of it nobody else keeps out is not computed.
    let denies = |side: &Side| -> Vec<Statement> {
        side.policy.statements.iter().filter(|statement| !statement.allows).cloned().collect()
    };
    let kept = denies(of);
    for gone in by.map(denies).unwrap_or_default() {
        if !kept.iter().any(|statement| statement.text == gone.text) {
            let when = if lost { "is new" } else { "is gone" };
            changes.push(Change {
                role: of.role.clone(),
                statement: gone.number,
                who: format!("whoever statement {} (a Deny) keeps out and another statement lets in", gone.number),
                why: format!("the Deny {when}: {}", gone.text),
                example: None,
            });
        }
    }
    changes
}

impl Admission {
    fn lets_in_somebody(&self) -> bool {
        let excluded = |condition: &Condition| self.alternatives(&condition.key).is_some_and(|any| any.is_empty());
        !self.conditions.iter().any(excluded)
    }
}

type Why = (String, Option<String>);

/// Do these let in everyone whom `one` lets in?
fn covered(one: &Admission, by: &[Admission], account: Option<&str>) -> Result<(), Why> {
    if by.iter().any(|other| other.text == one.text && other.principal == one.principal) {
        return Ok(());
    }
    let only = |why: &str| Err((why.to_owned(), None));
    if !one.understood {
        return only("the statement was not understood, and the other policy has not the same one");
    }
    let understood: Vec<&Admission> = by.iter().filter(|other| other.understood).collect();
    let principal: Vec<&Admission> =
        understood.into_iter().filter(|other| names(&other.principal, &one.principal, account)).collect();
    if principal.is_empty() {
        return only(match one.principal {
            Principal::Arn(_) => {
                "the other policy does not name them (naming their account is not the same: in the role's own account who is named needs no policy of their own)"
            }
            _ => "the other policy does not name them",
        });
    }
    let acting: Vec<&Admission> = principal.into_iter().filter(|other| may_all(other, &one.actions)).collect();
    if acting.is_empty() {
        return only("the other policy does not let them call all of it");
    }
    let subject = one.provider().map(|provider| format!("{}:sub", provider.host));
    // The subjects of several are put together below, where they are all that is demanded of it.
    let put_together = |other: &Admission, condition: &Condition| {
        subject.as_ref().is_some_and(|key| *key == condition.key && other.says_all_of(key))
            && condition.demands().is_some()
    };
    let missed = |other: &&Admission| {
        other.conditions.iter().find(|condition| !put_together(other, condition) && !implied(condition, one)).cloned()
    };
    let alike: Vec<&Admission> = acting.iter().filter(|other| missed(other).is_none()).copied().collect();
    if alike.is_empty() {
        let demands = acting.iter().find_map(missed);
        let demands = demands.map(|condition| condition.to_string()).unwrap_or_default();
        return Err((format!("the other policy demands more: {demands}"), None));
    }
    let Some(theirs) = alike.iter().map(|other| other.claim("sub")).collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    let theirs: Vec<Vec<&Pattern>> = theirs.into_iter().flatten().collect();
    let union: Vec<&Pattern> =
        theirs.iter().filter_map(|all| <[&Pattern; 1]>::try_from(all.as_slice()).ok()).flatten().collect();
    let anyone = vec![Vec::new()];
    for all in one.claim("sub").unwrap_or(anyone) {
        if theirs.iter().any(|other| other.iter().all(|pattern| all.contains(pattern))) {
            continue;
        }
        let subject = if all.is_empty() { "any subject".to_owned() } else { format!("the subject {}", written(&all)) };
        match within(&all, &union) {
            Within::Yes => {}
            Within::No(example) => {
                return Err((
                    format!("the other policy does not let in {subject}"),
                    Some(example).filter(|_| !all.iter().any(|pattern| pattern.is_exact())),
                ));
            }
            Within::Unknown => {
                return Err((
                    format!("it would take too long to tell whether the other policy lets in {subject}"),
                    None,
                ));
            }
        }
    }
    Ok(())
}

/// Does naming `wide` name `narrow` too? `account`: the role's own, if it is known.
fn names(wide: &Principal, narrow: &Principal, account: Option<&str>) -> bool {
    match (wide, narrow) {
        (Principal::Everyone, Principal::Account(_) | Principal::Arn(_)) => true,
        // In another account both the trust policy and a policy there have to allow it, however they are named.
        (Principal::Account(wide), Principal::Arn(_)) => {
            narrow.account() == Some(wide) && account.is_some_and(|own| own != wide)
        }
        _ => wide == narrow,
    }
}

fn may_all(other: &Admission, actions: &[Pattern]) -> bool {
    let may: Vec<&Pattern> = other.actions.iter().collect();
    actions.iter().all(|action| within(&[action], &may) == Within::Yes)
}

/// Does this condition hold whenever those of `one` do?
fn implied(condition: &Condition, one: &Admission) -> bool {
    let operator = condition.operator;
    let alike = one.conditions.iter().filter(|other| other.key == condition.key && other.operator == operator);
    let subset = |of: &[Pattern], in_these: &[Pattern]| of.iter().all(|value| in_these.contains(value));
    let mut textually = alike.map(|other| {
        let (narrow, wide) = (&other.values, &condition.values);
        if operator.negated { subset(wide, narrow) } else { subset(narrow, wide) }
    });
    if textually.any(|holds| holds) {
        return true;
    }
    let compares = operator.compares().is_some() && !operator.negated && operator.quantifier != Quantifier::All;
    let values: Vec<&Pattern> = condition.values.iter().collect();
    if operator.negated
        && operator.compares().is_some()
        && operator.quantifier == Quantifier::One
        && !has_several_values(&condition.key)
    {
        // None of what `one` lets in is what it must not be.
        let apart =
            |all: &Vec<&Pattern>| values.iter().all(|value| within(&[&all[..], &[value]].concat(), &[]) == Within::Yes);
        return one.alternatives(&condition.key).is_some_and(|any| any.iter().all(apart));
    }
    compares
        && one.alternatives(&condition.key).is_some_and(|any| any.iter().all(|all| within(all, &values) == Within::Yes))
}
