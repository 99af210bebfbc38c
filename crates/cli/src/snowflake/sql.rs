//! A [`Setup`] as statements, and these as text. Everything from outside goes through one of the three functions at the end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Form, Issuer, Others, Setup, User};

/// The statements of a setup, without semicolons, in the order in which they are to be run.
pub fn statements(setup: &Setup, issuer: Issuer<'_>) -> Vec<String> {
    let mut all: Vec<String> = integration(setup, issuer).into_iter().collect();
    all.extend(roles(setup.users.iter().filter(|user| is_created(user, setup.form))));
    for user in setup.users.iter().filter(|user| is_created(user, setup.form)) {
        all.extend(of_user(user, setup, issuer));
    }
    all
}

/// The whole as text to be run, with comments.
pub fn script(setups: &[Setup], issuer: Issuer<'_>) -> String {
    let blocks: Vec<String> = setups.iter().flat_map(|setup| blocks(setup, issuer)).collect();
    blocks.join("\n")
}

fn blocks(setup: &Setup, issuer: Issuer<'_>) -> Vec<String> {
    let mut blocks = Vec::new();
    if let Some(statement) = integration(setup, issuer) {
        blocks.push(format!("{}\n{statement};\n", comment(&setup.audience)));
    } else {
        blocks.push(format!("{}\n", comment(&format!("{}: Workload Identity Federation", setup.audience))));
    }
    let roles = roles(setup.users.iter().filter(|user| is_created(user, setup.form)));
    if !roles.is_empty() {
        let title = comment(&format!("{}: roles that the scopes of its users name", setup.audience));
        blocks.push(format!("{title}\n{}", run(&roles)));
    }
    blocks.extend(setup.users.iter().map(|user| user_block(user, setup, issuer)));
    blocks.extend(setup.others.iter().map(|others| others_block(others, setup, issuer)));
    blocks
}

/// Word for word what the output `snowflake_sql` of `infrastructure/` says: both are compared with one file.
fn integration(setup: &Setup, issuer: Issuer<'_>) -> Option<String> {
    let integration = setup.integration.as_ref()?;
    Some(format!(
        "CREATE SECURITY INTEGRATION {}\
         \n  TYPE = EXTERNAL_OAUTH\
         \n  ENABLED = TRUE\
         \n  EXTERNAL_OAUTH_TYPE = CUSTOM\
         \n  EXTERNAL_OAUTH_ISSUER = {}\
         \n  EXTERNAL_OAUTH_JWS_KEYS_URL = {}\
         \n  EXTERNAL_OAUTH_AUDIENCE_LIST = ({})\
         \n  EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM = 'sub'\
         \n  EXTERNAL_OAUTH_SNOWFLAKE_USER_MAPPING_ATTRIBUTE = 'login_name'\
         \n  EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE = 'scp'\
         \n  EXTERNAL_OAUTH_ANY_ROLE_MODE = '{}'",
        integration.name,
        literal(issuer.url),
        literal(issuer.jwks_url),
        literal(&setup.aud),
        integration.any_role_mode
    ))
}

/// Workload Identity Federation is for services: a person is not made one.
fn is_created(user: &User, form: Form) -> bool {
    form == Form::ExternalOauth || !user.is_person
}

/// Each once, in the order in which they come.
fn roles<'u>(users: impl Iterator<Item = &'u User>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let new = users.flat_map(|user| &user.roles).filter(|role| seen.insert(*role));
    new.map(|role| format!("CREATE ROLE IF NOT EXISTS {}", identifier(role))).collect()
}

fn of_user(user: &User, setup: &Setup, issuer: Issuer<'_>) -> Vec<String> {
    let name = identifier(&user.subject);
    let mut create = format!("CREATE USER {name}");
    match setup.form {
        Form::ExternalOauth => {
            let kind = if user.is_person { "PERSON" } else { "SERVICE" };
            let _ = write!(create, "\n  LOGIN_NAME = {}\n  TYPE = {kind}", literal(&user.subject));
        }
        Form::Wif => {
            let _ = write!(
                create,
                "\n  TYPE = SERVICE\
                 \n  WORKLOAD_IDENTITY = (\
                 \n    TYPE = OIDC\
                 \n    ISSUER = {}\
                 \n    SUBJECT = {}\
                 \n    OIDC_AUDIENCE_LIST = ({})\
                 \n  )",
                literal(issuer.url),
                literal(&user.subject),
                literal(&setup.aud)
            );
        }
    }
    // A session that names no role has its user's default one, which has to be among those of the token.
    if let Some(role) = user.roles.first() {
        let _ = write!(create, "\n  DEFAULT_ROLE = {}", identifier(role));
    }
    let mut all = vec![create];
    all.extend(user.roles.iter().map(|role| grant(role, user)));
    all
}

fn grant(role: &str, user: &User) -> String {
    format!("GRANT ROLE {} TO USER {}", identifier(role), identifier(&user.subject))
}

fn user_block(user: &User, setup: &Setup, issuer: Issuer<'_>) -> String {
    let mut text = format!("{}\n", comment(&format!("{}: {}", setup.audience, user.rules.join(", "))));
    if is_created(user, setup.form) {
        text.push_str(&run(&of_user(user, setup, issuer)));
        text.push_str(&comments(&left_open(user)));
    } else {
        let why = format!("{} is a person: Workload Identity Federation is for services", user.subject);
        let _ = writeln!(text, "{}", comment(&why));
    }
    text
}

/// What is not granted, and why.
fn left_open(user: &User) -> Vec<String> {
    let mut lines = Vec::new();
    for role in &user.blocked_roles {
        lines.push(format!("not granted, because Snowflake blocks this role for tokens: {};", grant(role, user)));
    }
    for scope in &user.open_scopes {
        lines.push(format!("{scope}: which role that is, the subject alone does not tell. Grant it by hand"));
    }
    if user.any_role {
        lines
            .push("its tokens say session:role-any: grant the roles that it may take, and set DEFAULT_ROLE".to_owned());
    } else if user.roles.is_empty() && user.open_scopes.is_empty() {
        lines.push("the policy names no role for it beyond PUBLIC: grant what it needs".to_owned());
    }
    lines
}

fn others_block(others: &Others, setup: &Setup, issuer: Issuer<'_>) -> String {
    let scopes = if others.scopes.is_empty() { "none".to_owned() } else { others.scopes.join(" ") };
    let mut lines = vec![
        format!("{}: {}, whose users the policy does not list", setup.audience, others.rule),
        format!("  when: {}", others.when),
        format!("  subject: {}; scopes: {scopes}", others.subject),
    ];
    match &others.example {
        Some(user) if is_created(user, setup.form) => {
            lines.push("  One of them could be:".to_owned());
            for statement in roles(std::iter::once(user)).into_iter().chain(of_user(user, setup, issuer)) {
                lines.extend(format!("{statement};").lines().map(|line| format!("    {line}")));
            }
            lines.extend(left_open(user).into_iter().map(|line| format!("  {line}")));
        }
        Some(_) => lines.push("  They are people: Workload Identity Federation is for services".to_owned()),
        None => {}
    }
    comments(&lines)
}

fn run(statements: &[String]) -> String {
    lines_of(statements.iter().map(|statement| format!("{statement};")))
}

fn comments(lines: &[String]) -> String {
    lines_of(lines.iter().map(|line| comment(line)))
}

fn lines_of(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// A string constant. In single quotes a backslash escapes, so both are written twice ("String & binary data types").
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// An identifier, with its letter case ("Identifier requirements").
pub fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// One line of comment, whatever is in it: what could end the line, or hide what follows from a reader, is escaped.
fn comment(text: &str) -> String {
    let shown = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    let mut line = "-- ".to_owned();
    for c in text.chars() {
        if shown(c) {
            line.push(c);
        } else {
            let _ = write!(line, "{}", c.escape_unicode());
        }
    }
    line
}
