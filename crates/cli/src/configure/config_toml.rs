//! A profile in our own `config.toml`, whose comments, order and other profiles stay.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike};

use crate::credentials::profile::Config;
use crate::credentials::settings::Settings;

/// The text with these settings in `[profiles.NAME]`, where `before` are.
pub(super) fn with(text: &str, path: &Path, name: &str, before: &Settings, after: &Settings) -> anyhow::Result<String> {
    if before == after {
        return Ok(text.to_owned());
    }
    let by_hand = || format!("{} is written in a way that cannot be changed here: change it by hand", path.display());
    let crlf = text.contains("\r\n");
    let in_kind = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
    let ended = text.is_empty() || text.ends_with('\n');
    let whole = text.replace("\r\n", "\n") + if ended { "" } else { "\n" };
    let mut document: DocumentMut = whole.parse().with_context(by_hand)?;
    // Line ends of two kinds, a byte order mark, tables in pieces: those would not come back as they are.
    let back = in_kind(document.to_string());
    if back.strip_prefix(text).is_none_or(|more| !more.is_empty() && ended) {
        bail!(by_hand());
    }
    change(&mut document, name, before, after)?.with_context(by_hand)?;
    let changed = in_kind(document.to_string());
    // A comment inside of a value would go with it.
    let hashes = |text: &str| text.matches('#').count();
    let hashes_of = |settings: &Settings| Ok::<_, anyhow::Error>(hashes(&serde_json::to_string(settings)?));
    if hashes(&changed) + hashes_of(before)? != hashes(text) + hashes_of(after)? {
        bail!(by_hand());
    }
    // What is read of it then, and only that, decides whether it is right.
    let mut expected = Config::parse(text, path)?;
    expected.profiles.insert(name.to_owned(), after.clone());
    if Config::parse(&changed, path).ok() != Some(expected) {
        bail!(by_hand());
    }
    Ok(changed)
}

/// `None` if there is something else where a table has to be.
fn change(document: &mut DocumentMut, name: &str, before: &Settings, after: &Settings) -> anyhow::Result<Option<()>> {
    let there = document.get("profiles");
    let is_section = there.is_none_or(|profiles| profiles.is_table() && profiles.get(name).is_none());
    let mut table = Table::new();
    if is_section {
        // What stands at the end of the file stays above the new table.
        let end = document.trailing().as_str().unwrap_or_default().to_owned();
        let blank = if document.is_empty() && end.is_empty() { "" } else { "\n" };
        table.decor_mut().set_prefix(end + blank);
        document.set_trailing("");
        table.set_position(Some(isize::MAX));
    }
    let mut implicit = Table::new();
    implicit.set_implicit(true);
    let profiles = document.entry("profiles").or_insert(Item::Table(implicit));
    let Some(profiles) = profiles.as_table_like_mut() else { return Ok(None) };
    let Some(profile) = profiles.entry(name).or_insert(Item::Table(table)).as_table_like_mut() else { return Ok(None) };
    let (before, after) = (before.entries()?, after.entries()?);
    for (setting, value) in after.iter().filter(|entry| !before.contains(entry)) {
        let value = of_toml(value)?;
        match profile.get_mut(setting).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            None => drop(profile.insert(setting, value.into())),
        }
    }
    for (setting, _) in before.iter().filter(|(name, _)| after.iter().all(|(other, _)| other != name)) {
        remove(profile, setting);
    }
    Ok(Some(()))
}

/// Its comments are somebody's: they stay, above the setting that follows. There is one, as what takes a setting's place
/// stands at the end.
fn remove(profile: &mut dyn TableLike, setting: &str) {
    let text = |raw: Option<&toml_edit::RawString>| raw.and_then(|raw| raw.as_str()).unwrap_or_default().to_owned();
    let above = text(profile.key(setting).and_then(|key| key.leaf_decor().prefix()));
    let behind = text(profile.get(setting).and_then(Item::as_value).and_then(|value| value.decor().suffix()));
    let following = profile.iter().skip_while(|(name, _)| *name != setting).nth(1).map(|(name, _)| name.to_owned());
    profile.remove(setting);
    if let Some(mut key) = following.and_then(|name| profile.key_mut(&name)) {
        let own = text(key.leaf_decor().prefix());
        let above = if above.contains('#') { &above } else { "" };
        let behind = if behind.contains('#') { behind.trim().to_owned() + "\n" } else { String::new() };
        key.leaf_decor_mut().set_prefix([above, &behind, &own].concat());
    }
}

fn of_toml(value: &Value) -> anyhow::Result<toml_edit::Value> {
    Ok(match value {
        Value::String(text) => text.into(),
        Value::Bool(set) => (*set).into(),
        Value::Number(number) => number.as_i64().context("a number of TOML")?.into(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Array>().into(),
        _ => bail!("{value} has no form in TOML"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATH: &str = "/home/ann/.config/countersign/config.toml";

    fn written(text: &str, settings: &str) -> anyhow::Result<String> {
        let settings: Settings = toml::from_str(settings).unwrap();
        let before = Config::parse(text, Path::new(PATH))?.profiles.remove("x").unwrap_or_default();
        let after = settings.over(before.clone())?;
        let changed = with(text, Path::new(PATH), "x", &before, &after)?;
        assert_eq!(with(&changed, Path::new(PATH), "x", &after, &after)?, changed);
        Ok(changed)
    }

    #[test]
    fn what_is_written_and_what_stays() {
        let github = "github = true";
        for (before, settings, after) in [
            ("", github, "[profiles.x]\ngithub = true\n"),
            ("# mine\n", github, "# mine\n\n[profiles.x]\ngithub = true\n"),
            (
                "[profiles.y] # why\nregion = 'a'\n# the end",
                github,
                "[profiles.y] # why\nregion = 'a'\n# the end\n\n[profiles.x]\ngithub = true\n",
            ),
            (
                "[profiles]\ny = { github = true }\n[profiles.x]\nregion='a' # here\n\n[profiles.z]\n",
                "region = 'b'\ngithub = true",
                "[profiles]\ny = { github = true }\n[profiles.x]\nregion=\"b\" # here\ngithub = true\n\n[profiles.z]\n",
            ),
            ("profiles = { x = { region = 'a' } }\n", github, "profiles = { x = { region = 'a' , github = true } }\n"),
            (
                "profiles = { y = { github = true } }\n# the end\n",
                github,
                "profiles = { y = { github = true } , x.github = true }\n# the end\n",
            ),
            (
                "[profiles.y]\n[profiles]\nz = { github = true }\n# the end\n",
                github,
                "[profiles.y]\n[profiles]\nz = { github = true }\n# the end\n\n[profiles.x]\ngithub = true\n",
            ),
            ("[profiles.x]\naudience = 'a#b' # c\n", "audience = 'd'", "[profiles.x]\naudience = \"d\" # c\n"),
            ("profiles.x.region = 'a'\n", github, "profiles.x.region = 'a'\nprofiles.x.github = true\n"),
            ("[profiles.x]\r\nregion = 'a'\r\n", github, "[profiles.x]\r\nregion = 'a'\r\ngithub = true\r\n"),
            // What is not named stays as it is written.
            (
                "[profiles.x]\npolicy = '''\n{ \"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Deny\", \"Action\": \"*\", \"Resource\": \"*\"}] }'''\n",
                github,
                "[profiles.x]\npolicy = '''\n{ \"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Deny\", \"Action\": \"*\", \"Resource\": \"*\"}] }'''\ngithub = true\n",
            ),
            // Another source takes the place of this one, and comments are nobody's to throw away.
            (
                "[profiles.x]\n# ours\nurl = 'https://id.acme.com' # new\nregion = 'a'\naudience = 'aws'\n",
                github,
                "[profiles.x]\n# ours\n# new\nregion = 'a'\ngithub = true\n",
            ),
            (
                "[profiles.x]\nregion = 'a'\n# ours\nurl = 'https://id.acme.com'\n",
                "web_identity_token_file = '/t'\nduration_seconds = 900\npolicy_arns = ['arn:aws:iam::aws:policy/A']",
                "[profiles.x]\nregion = 'a'\n# ours\nweb_identity_token_file = \"/t\"\nduration_seconds = 900\npolicy_arns = [\"arn:aws:iam::aws:policy/A\"]\n",
            ),
        ] {
            assert_eq!(written(before, settings).unwrap(), after, "{before}");
        }
    }

    #[test]
    fn what_would_not_come_back_as_it_is_is_left_alone() {
        for text in [
            "# a\r\n# b\n",
            "\u{feff}# a\n",
            "[profiles.y]\n[profiles.x]\n[profiles.x.z]\n",
            "profiles = 1\n",
            "[profiles]\nx = 1\n",
            // A comment would go.
            "[profiles.x]\npolicy_arns = [\n  'arn:aws:iam::aws:policy/A', # why\n]\n",
        ] {
            let why =
                written(text, "github = true\npolicy_arns = ['arn:aws:iam::aws:policy/B']").unwrap_err().to_string();
            assert!(why.contains("change it by hand") || why.starts_with(PATH), "{text}: {why}");
        }
    }

    fn pieces(of: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::sample::subsequence(of, 0..=of.len()).prop_shuffle().prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_stands_above_and_below_stays(
            above in pieces(&["# a\n", "\n", "[profiles.a] # b\nregion  =  'a'\n", "[profiles.\"b c\"]\n# d\n\n", "[profiles.\"x y\"]\n"]),
            inside in pieces(&["# of x\n", "region='a'# c\n", "audience = \"\"\"a\"\"\"\n", "url = 'https://id.acme.com' # u\n", "\n"]),
            below in pieces(&["[profiles.z]\n# e\ngithub = true\n", "[profiles.y]\npolicy_arns = [ # f\n]\n\n", "\n# g\n"]),
            crlf in any::<bool>(),
        ) {
            let [above, inside, below] = [above, inside, below].map(|text| if crlf { text.replace('\n', "\r\n") } else { text });
            let end = if crlf { "\r\n" } else { "\n" };
            for title in ["", "[profiles.x]"] {
                let inside = if title.is_empty() { String::new() } else { [title, end, &inside].concat() };
                let changed = written(&[&*above, &inside, &below].concat(), "github = true\nregion = 'b'").unwrap();
                let at_end = inside.is_empty() || below.trim_start().starts_with('#') || below.trim().is_empty();
                let kept = if inside.is_empty() { above.clone() + &below } else { above.clone() };
                prop_assert!(changed.starts_with(&kept) && (at_end || changed.ends_with(&below)), "{changed:?}");
                prop_assert_eq!(changed.matches('#').count(), (above.clone() + &inside + &below).matches('#').count());
            }
        }
    }
}
