//! How conditions are joined: `or` over `and` over `not`, and parentheses.

use super::cursor::{Cursor, Invalid};
use super::{Expression, MAXIMUM_DEPTH, MAXIMUM_LENGTH, condition};

impl Expression {
    /// Reads a text of the language.
    ///
    /// # Errors
    /// Says at which character something else is expected, and how to mend it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let length = text.chars().count();
        if length > MAXIMUM_LENGTH {
            return Err(Invalid {
                position: MAXIMUM_LENGTH + 1,
                expected: "the end".to_owned(),
                found: format!("{length} characters in all"),
                fix: format!("shorten it to {MAXIMUM_LENGTH}"),
            });
        }
        let mut cursor = Cursor::new(text);
        let expression = any(&mut cursor, 0)?;
        if cursor.peek().is_some() {
            return Err(cursor.expected(
                "and, or, or the end",
                "join conditions by and or or, and put a value with spaces into single quotes",
            ));
        }
        Ok(expression)
    }
}

/// Each level leaves the cursor at the next thing to read.
fn any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, Invalid> {
    let mut parts = vec![all(cursor, depth)?];
    while cursor.eat("||") || cursor.eat_word("or") {
        parts.push(all(cursor, depth)?);
    }
    Ok(joined(parts, Expression::Any))
}

fn all(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, Invalid> {
    let mut parts = vec![unary(cursor, depth)?];
    while cursor.eat("&&") || cursor.eat_word("and") {
        parts.push(unary(cursor, depth)?);
    }
    Ok(joined(parts, Expression::All))
}

fn joined(parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match <[Expression; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => join(parts),
    }
}

fn unary(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, Invalid> {
    cursor.skip_space();
    if depth > MAXIMUM_DEPTH {
        return Err(cursor.expected(
            &format!("not and parentheses at most {MAXIMUM_DEPTH} deep"),
            "write the expression with fewer of them",
        ));
    }
    let expression = if cursor.eat("!") || cursor.eat_word("not") {
        Expression::Not(Box::new(unary(cursor, depth + 1)?))
    } else if cursor.eat("(") {
        let inner = any(cursor, depth + 1)?;
        if !cursor.eat(")") {
            return Err(cursor.expected("and, or, or ')'", "close the parenthesis"));
        }
        inner
    } else {
        Expression::Is(condition::parse(cursor)?)
    };
    cursor.skip_space();
    Ok(expression)
}
