//! A profile in our own `config.toml`, whose comments, order and other profiles stay.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike};

use crate::credentials::profile;
use crate::credentials::settings::Settings;

/// The text with these settings in `[profiles.NAME]`, where `before` are.
pub(super) fn with(text: &str, path: &Path, name: &str, before: &Settings, after: &Settings) -> anyhow::Result<String> {
    if before == after && !text.is_empty() {
        return Ok(text.to_owned());
    }
    let by_hand = || format!("{} is written in a way that cannot be changed here: change it by hand", path.display());
    let crlf = text.contains("\r\n");
    let mut whole = if crlf { text.replace("\r\n", "\n") } else { text.to_owned() };
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    let mut document: DocumentMut = whole.parse().with_context(by_hand)?;
    // Line ends of two kinds, a byte order mark, tables in pieces: those would not come back as they are.
    if document.to_string() != whole || (crlf && whole.replace('\n', "\r\n").trim_end() != text.trim_end()) {
        bail!(by_hand());
    }
    change(&mut document, name, before, after)?.with_context(by_hand)?;
    let changed = document.to_string();
    let changed = if crlf { changed.replace('\n', "\r\n") } else { changed };
    // What is read of it then, and only that, decides whether it is right.
    let mut expected = profile::all(text, path)?;
    expected.insert(name.to_owned(), after.clone());
    if profile::all(&changed, path).ok() != Some(expected) {
        bail!(by_hand());
    }
    Ok(changed)
}

/// `None` if there is something else where a table has to be.
fn change(document: &mut DocumentMut, name: &str, before: &Settings, after: &Settings) -> anyhow::Result<Option<()>> {
    let is_new = document.get("profiles").and_then(|profiles| profiles.get(name)).is_none();
    let mut table = Table::new();
    if is_new {
        // What stands at the end of the file stays above the new table.
        let end = document.trailing().as_str().unwrap_or_default().to_owned();
        let blank = if document.is_empty() && end.is_empty() { "" } else { "\n" };
        table.decor_mut().set_prefix(end + blank);
        document.set_trailing("");
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
        let mut comments = if above.contains('#') { above } else { String::new() };
        comments += &if behind.contains('#') { format!("{}\n", behind.trim()) } else { String::new() };
        let own = text(key.leaf_decor().prefix());
        key.leaf_decor_mut().set_prefix(comments + &own);
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
