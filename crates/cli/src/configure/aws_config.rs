//! AWS's own dialect of INI, read line by line so that a setting can be changed and all else stays, byte for byte.
//!
//! The tools of AWS do not read it alike: botocore uses Python's `configparser`, the SDKs for Rust, Go and JavaScript have a
//! parser each. **Refuses** every text that one of those of botocore, Rust and Go would not read, and a profile that is one to
//! some of them only; so what is left means the same to all.
//!
//! Sources: `botocore/configloader.py`, `aws-runtime/src/env_config`, `aws-sdk-go-v2/internal/ini`, `parseIni.ts` of the
//! JavaScript SDK, and <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.

use std::ops::Range;

/// What begins a comment.
const COMMENT: [char; 2] = ['#', ';'];
/// What the SDKs take for white space.
const SPACE: [char; 2] = [' ', '\t'];

/// A text that all of them read.
#[derive(Debug)]
pub struct AwsConfig<'a> {
    lines: Vec<&'a str>,
    sections: Vec<Section<'a>>,
}

/// Why a text, or a profile in it, is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Fault {
    line: usize,
    why: String,
}

/// What stands below `[...]`, until the next one.
#[derive(Debug)]
struct Section<'a> {
    /// The index of its line.
    at: usize,
    /// What stands between the brackets.
    title: &'a str,
    /// The same as botocore has it, to which a bracket in the comment behind them is the last one.
    title_of_botocore: &'a str,
    settings: Vec<Setting<'a>>,
}

/// A setting of a section.
#[derive(Debug)]
pub struct Setting<'a> {
    /// Its name in lower case.
    pub name: String,
    /// What botocore reads of its first line: a comment at the end of that is part of it.
    pub value: &'a str,
    /// Whether it has no value, so that what stands indented below it are settings.
    nests: bool,
    /// Its line, and those below it that belong to it.
    lines: Range<usize>,
}

/// Which of the two files it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `~/.aws/config`, with `[profile NAME]`.
    Config,
    /// `~/.aws/credentials`, with `[NAME]`.
    Credentials,
}

impl<'a> AwsConfig<'a> {
    /// Read it.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        let mut read = Self { lines: text.split_inclusive('\n').collect(), sections: Vec::new() };
        for (at, line) in read.lines.iter().copied().enumerate() {
            read_line(&mut read.sections, at, without_end(line)).map_err(|why| Fault { line: at + 1, why })?;
        }
        Ok(read)
    }

    /// The settings of a profile, if it has a section.
    pub fn profile(&self, name: &str, kind: Kind) -> Result<Option<&[Setting<'a>]>, Fault> {
        Ok(self.section(name, kind)?.map(|section| &section.settings[..]))
    }

    /// The settings that botocore adds to each profile.
    pub fn of_all(&self) -> &[Setting<'a>] {
        let found = self.sections.iter().find(|section| section.title_of_botocore == "DEFAULT");
        found.map_or(&[], |section| &section.settings)
    }

    /// The text with these settings in `[profile NAME]`. What they had for a comment stands above them then: to botocore it
    /// would be part of the value.
    pub fn with(&self, name: &str, settings: &[(&str, &str)]) -> Result<String, Fault> {
        let end = if self.lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
        let added = |settings: &[(&str, &str)]| {
            settings.iter().fold(String::new(), |text, (name, value)| text + name + " = " + value + end)
        };
        let mut lines: Vec<String> = self.lines.iter().map(|line| (*line).to_owned()).collect();
        let Some(section) = self.section(name, Kind::Config)? else {
            if let Some(last) = lines.last_mut() {
                let blank = is_blank(last);
                *last += if last.ends_with('\n') { "" } else { end };
                *last += if blank { "" } else { end };
            }
            let title = if name == "default" { "[default]".to_owned() } else { format!("[profile {name}]") };
            return Ok(lines.concat() + &title + end + &added(settings));
        };
        let find = |name: &str| section.settings.iter().find(|setting| setting.name == name);
        let (there, new): (Vec<_>, Vec<_>) = settings.iter().copied().partition(|(name, _)| find(name).is_some());
        for (name, value) in there {
            if let Some(setting) = find(name) {
                setting.change(value, &mut lines, end);
            }
        }
        let last = section.settings.last().map_or(section.at, |setting| setting.lines.end - 1);
        if !new.is_empty() {
            let unended = !lines[last].is_empty() && !lines[last].ends_with('\n');
            lines[last] += if unended { end } else { "" };
            lines[last] += &added(&new);
        }
        Ok(lines.concat())
    }

    /// The one section of a profile, written as everybody reads it.
    fn section(&self, name: &str, kind: Kind) -> Result<Option<&Section<'a>>, Fault> {
        let mut found = self.sections.iter().filter(|section| section.means(name, kind));
        let (Some(section), second) = (found.next(), found.next()) else { return Ok(None) };
        let fault = |section: &Section<'_>, why| Err(Fault { line: section.at + 1, why });
        if let Some(second) = second {
            return fault(second, format!("a second section of the profile {name}: make one of them"));
        }
        let long = format!("profile {name}");
        let good: &[&str] = match kind {
            Kind::Config if name == "default" => &["default", &long],
            Kind::Config => &[&long],
            Kind::Credentials => &[name],
        };
        if !good.contains(&section.title_of_botocore) {
            let why = "is read by some of AWS's tools and not by others";
            return fault(section, format!("the section of the profile {name} {why}: write it as [{}]", good[0]));
        }
        Ok(Some(section))
    }
}

impl Setting<'_> {
    /// Its lines with another value, and with its comments above it.
    fn change(&self, value: &str, lines: &mut [String], end: &str) {
        let below = self.lines.start + 1..self.lines.end;
        let more: Vec<usize> = below.filter(|at| !is_blank(&lines[*at]) && lines[*at].starts_with(SPACE)).collect();
        if self.value == value && more.is_empty() {
            return;
        }
        let line = lines[self.lines.start].clone();
        let (before, after) = without_end(&line).split_once('=').unwrap_or_default();
        let behind = after.strip_prefix(without_comment(after)).unwrap_or_default();
        let mut changed = String::new();
        for comment in std::iter::once(behind).chain(more.iter().map(|at| lines[*at].as_str())).map(str::trim) {
            if comment.starts_with(COMMENT) {
                changed += comment;
                changed += end;
            }
        }
        // To the SDK for Rust, a colon would be part of the name.
        changed += if before.contains(':') { &self.name } else { before };
        let space = after.strip_suffix(after.trim_start_matches(SPACE)).filter(|_| !is_blank(after)).unwrap_or(" ");
        changed += &["=", space, value, line.strip_prefix(without_end(&line)).unwrap_or_default()].concat();
        for at in more {
            lines[at].clear();
        }
        lines[self.lines.start] = changed;
    }
}

impl Section<'_> {
    /// Whether some tool takes it for this profile.
    fn means(&self, name: &str, kind: Kind) -> bool {
        let plain = self.title.replace(['"', '\'', '\\'], "");
        match (kind, &plain.split_whitespace().collect::<Vec<_>>()[..]) {
            (Kind::Config, [word, found]) => *found == name && word.starts_with("profile"),
            (Kind::Config, [found]) => *found == name && name == "default",
            (Kind::Credentials, [found]) => *found == name,
            _ => false,
        }
    }
}

/// One more line, without its end.
fn read_line<'a>(sections: &mut Vec<Section<'a>>, at: usize, line: &'a str) -> Result<(), String> {
    if at == 0 && line.starts_with('\u{feff}') {
        return Err("a byte order mark, which AWS's tools do not read: save the file without it".to_owned());
    }
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err("a control character, which AWS's tools do not read alike".to_owned());
    }
    let content = line.trim_start();
    if line.strip_suffix(content).is_some_and(|space| !space.trim_matches(SPACE).is_empty()) {
        return Err("it begins with a space that is none to some of AWS's tools".to_owned());
    }
    if content.is_empty() || line.starts_with(COMMENT) {
        return Ok(());
    }
    if line.starts_with('[') {
        let section = title(at, line)?;
        if sections.iter().any(|known| known.title_of_botocore == section.title_of_botocore) {
            return Err(format!("a second [{}], with which the AWS CLI and boto3 read nothing", section.title));
        }
        sections.push(section);
        return Ok(());
    }
    let section = sections.last_mut().ok_or("a section has to begin above it: [profile NAME]")?;
    if line.starts_with(SPACE) {
        let setting = section.settings.last_mut().ok_or("it is indented, and belongs to no setting")?;
        let has_name = |line: &str| line.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty());
        if setting.nests && !has_name(without_comment(content)) {
            return Err(format!("below {}, which has no value, it has to be NAME = VALUE", setting.name));
        }
        setting.lines.end = at + 1;
        return Ok(());
    }
    let setting = setting(at, line)?;
    if section.settings.iter().any(|known| known.name == setting.name) {
        return Err(format!("a second {}, with which the AWS CLI and boto3 read nothing", setting.name));
    }
    section.settings.push(setting);
    Ok(())
}

/// `[...]`, and perhaps a comment.
fn title(at: usize, line: &str) -> Result<Section<'_>, String> {
    let plain = line.split(COMMENT).next().unwrap_or_default().trim_end_matches(SPACE);
    let inside = |text| -> Option<&str> { str::strip_prefix(text, '[')?.strip_suffix(']') };
    let whole = line.rsplit_once(']').and_then(|(whole, _)| whole.strip_prefix('['));
    match (inside(plain), whole) {
        (Some(title), Some(whole)) if !title.is_empty() => {
            Ok(Section { at, title, title_of_botocore: whole, settings: Vec::new() })
        }
        _ => Err("a section is written as [profile NAME]".to_owned()),
    }
}

/// `NAME = VALUE`. botocore and Go take a colon too.
fn setting(at: usize, line: &str) -> Result<Setting<'_>, String> {
    let written = "a setting is written as NAME = VALUE";
    let (before, after) = line.split_once('=').filter(|(before, _)| !before.contains(COMMENT)).ok_or(written)?;
    let name = before.split(':').next().unwrap_or_default();
    let value = line.strip_prefix(name).and_then(|rest| rest.get(1..)).unwrap_or_default();
    let name = name.trim_end().to_lowercase();
    if name.is_empty() {
        return Err(written.to_owned());
    }
    Ok(Setting { name, value: value.trim(), nests: is_blank(without_comment(after)), lines: at..at + 1 })
}

/// A comment begins a line, or stands behind a space.
fn without_comment(text: &str) -> &str {
    let begins = |(at, c): (usize, char)| {
        let before = text.get(..at).unwrap_or_default();
        (COMMENT.contains(&c) && before.ends_with(char::is_whitespace)).then_some(before)
    };
    text.char_indices().find_map(begins).unwrap_or(text).trim_end_matches(SPACE)
}

fn is_blank(line: &str) -> bool {
    without_end(line).trim_matches(SPACE).is_empty()
}

/// A line without its end.
fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests;
