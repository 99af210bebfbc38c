//! Snowflake SQL as sqlparser reads it, whose line of code is none of ours.
//!
//! CREATE USER, CREATE ROLE and GRANT ROLE are parsed by its grammar for Snowflake. It has none for CREATE SECURITY
//! INTEGRATION (nor has sqlglot, which keeps all four as text, nor sqlfluff): there the head is compared word for word, and the
//! list of properties, which has the form of CREATE USER's, is parsed as one.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Map, Value, json};
use sqlparser::ast::helpers::key_value_options::{KeyValueOption, KeyValueOptionKind};
use sqlparser::ast::{self, Action, GranteeName, Privileges};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// Its name and parameters: texts, truth values, lists, objects; and `{"word": ..}` for what stands without quotes.
    Integration(String, Value),
    /// Likewise.
    User(String, Value),
    Role(String),
    /// A role, to a user.
    Grant(String, String),
}

/// All statements of a script. Whatever it does not know is a panic.
pub(crate) fn parsed(sql: &str) -> Vec<Statement> {
    let tokens = Tokenizer::new(&SnowflakeDialect, sql).tokenize().unwrap_or_else(|error| panic!("{error}: {sql}"));
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let mut statements: Vec<&[Token]> = tokens.split(|token| *token == Token::SemiColon).collect();
    assert_eq!(statements.pop(), Some(&[][..]), "the last statement ends too: {sql}");
    statements.into_iter().map(statement).collect()
}

fn statement(tokens: &[Token]) -> Statement {
    let is_integration = tokens.iter().map(ToString::to_string).take(3).eq(["CREATE", "SECURITY", "INTEGRATION"]);
    let mut tokens = tokens.to_vec();
    if is_integration {
        tokens.splice(1..3, [Token::make_keyword("USER")]);
    }
    let shown = tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut parser = Parser::new(&SnowflakeDialect).with_tokens(tokens);
    let statement = parser.parse_statement().unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(parser.peek_token().token, Token::EOF, "all of it is one statement: {statement}");
    match statement {
        ast::Statement::CreateUser(user) => {
            assert!(!user.or_replace && !user.if_not_exists && !user.with_tags, "{user}");
            let name = user.name;
            let properties = properties(&user.options.options);
            if is_integration {
                assert_eq!(name.quote_style, None);
                Statement::Integration(name.value, properties)
            } else {
                assert_eq!(name.quote_style, Some('"'));
                Statement::User(name.value, properties)
            }
        }
        ast::Statement::CreateRole(role) if role.if_not_exists => Statement::Role(only(&role.names)),
        ast::Statement::Grant(grant) => {
            let Privileges::Actions(actions) = &grant.privileges else { panic!("{grant}") };
            let [Action::Role { role }] = actions.as_slice() else { panic!("{grant}") };
            let [grantee] = grant.grantees.as_slice() else { panic!("{grant}") };
            assert_eq!((grantee.grantee_type.clone(), grant.with_grant_option), (ast::GranteesType::User, false));
            let Some(GranteeName::ObjectName(user)) = &grantee.name else { panic!("{grant}") };
            Statement::Grant(only(std::slice::from_ref(role)), only(std::slice::from_ref(user)))
        }
        other => panic!("{other}"),
    }
}

/// A name of one part, in quotes.
fn only(names: &[ast::ObjectName]) -> String {
    let [name] = names else { panic!("{names:?}") };
    let [ast::ObjectNamePart::Identifier(part)] = name.0.as_slice() else { panic!("{name}") };
    assert_eq!(part.quote_style, Some('"'), "{name}");
    part.value.clone()
}

fn properties(options: &[KeyValueOption]) -> Value {
    let mut map = Map::new();
    for option in options {
        let value = match &option.option_value {
            KeyValueOptionKind::Single(value) => constant(&value.value),
            KeyValueOptionKind::Multi(list) => list.iter().map(|value| constant(&value.value)).collect(),
            KeyValueOptionKind::KeyValueOptions(inner) => properties(&inner.options),
        };
        assert_eq!(map.insert(option.option_name.clone(), value), None, "{} twice", option.option_name);
    }
    Value::Object(map)
}

fn constant(value: &ast::Value) -> Value {
    match value {
        ast::Value::SingleQuotedString(text) => json!(text),
        ast::Value::Boolean(truth) => json!(truth),
        ast::Value::Placeholder(word) => json!({ "word": word }),
        other => panic!("{other}"),
    }
}
