//! The token or the session of a profile, which is kept fresh.

use std::fmt;

use futures_util::future::select_all;

use super::content::{self, Text};
use super::plan::{Form, Part, Profile};
use super::target::Target;
use crate::credentials::Request;
use crate::credentials::fresh::{Fresh, Moment};
use crate::credentials::keeper::{Event, Keeper};
use crate::credentials::source::Source;
use crate::credentials::status::Status;

/// One of the two.
pub(super) struct Keeping {
    who: Who,
    keeper: Kind,
}

/// Whose, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    profile: String,
    kind: &'static str,
}

enum Kind {
    Token(Box<Keeper<Source>>),
    Session(Box<Keeper<Request>>),
}

impl Keeping {
    /// What the profile wants.
    pub(super) fn of(name: &str, profile: &Profile) -> impl Iterator<Item = Self> {
        let new = |kind, keeper| Self { who: Who { profile: name.to_owned(), kind }, keeper };
        let token = profile.token.clone().map(|source| new("token", Kind::Token(Box::new(Keeper::new(source)))));
        let session =
            profile.session.clone().map(|request| new("session", Kind::Session(Box::new(Keeper::new(request)))));
        token.into_iter().chain(session)
    }

    /// The same is asked for, for the same profile.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let asked = match (&self.keeper, &other.keeper) {
            (Kind::Token(mine), Kind::Token(others)) => mine.what() == others.what(),
            (Kind::Session(mine), Kind::Session(others)) => mine.what() == others.what(),
            _ => false,
        };
        asked && self.who == other.who
    }

    async fn next(&mut self) -> (Who, Event) {
        let event = match &mut self.keeper {
            Kind::Token(keeper) => keeper.next().await,
            Kind::Session(keeper) => keeper.next().await,
        };
        (self.who.clone(), event)
    }

    /// What there is to know of it.
    pub(super) fn status(&self) -> Status {
        match &self.keeper {
            Kind::Token(keeper) => keeper.status(),
            Kind::Session(keeper) => keeper.status(),
        }
    }

    /// It is kept for this profile.
    pub(super) fn is_of(&self, profile: &str) -> bool {
        self.who.profile == profile
    }

    /// It was asked for, with whatever success.
    pub(super) fn is_tried(&self) -> bool {
        let status = self.status();
        status.renewals > 0 || status.failure.is_some()
    }

    /// What is held, in this form, if it is good.
    fn held(&self, form: &Form, now: Moment) -> Option<anyhow::Result<Fresh<Text>>> {
        match &self.keeper {
            Kind::Token(keeper) => {
                let held = keeper.held().filter(|held| !held.is_over(now))?;
                Some(Ok(held.with(Text::new(held.value.text().to_owned()))))
            }
            Kind::Session(keeper) => {
                let held = keeper.held().filter(|held| !held.is_over(now))?;
                let text = content::of_session(&held.value, &keeper.what().session, form);
                Some(text.map(|text| held.with(text)))
            }
        }
    }
}

/// Wait for what happens next to any of them; there is one at least. Dropping the wait loses nothing.
pub(super) async fn next(all: &mut [Keeping]) -> (Who, Event) {
    select_all(all.iter_mut().map(|keeping| Box::pin(keeping.next()))).await.0
}

/// Which of them a part is of.
pub(super) fn of<'a>(all: &'a [Keeping], part: &Part) -> Option<&'a Keeping> {
    let kind = if part.form == Form::Token { "token" } else { "session" };
    all.iter().find(|keeping| keeping.who.profile == part.profile && keeping.who.kind == kind)
}

/// What is to stand in the file: what is held; else what stands there, as long as it is good.
pub(super) fn part(all: &[Keeping], target: &Target, part: &Part, now: Moment) -> Option<anyhow::Result<Fresh<Text>>> {
    let held = of(all, part).and_then(|keeping| keeping.held(&part.form, now));
    held.or_else(|| target.good(&part.key(), now).map(|there| Ok(there.clone())))
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.profile, self.kind)
    }
}
