// SPDX-License-Identifier: GPL-2.0

//! The text of the configuration: statements of a word and its values, some with a block of more.
//!
//! A statement ends with its line, with `;` or where its block ends. Values are separated by spaces or
//! commas; a comma at the end of a line goes on with the next. `#` begins a comment.

/// A value, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    pub name: Word,
    pub values: Vec<Word>,
    pub block: Option<Vec<Statement>>,
}

/// What is wrong, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    pub line: usize,
    pub what: String,
}

impl Wrong {
    pub fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

enum Token {
    Word(Word),
    Open(usize),
    Close(usize),
    End,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut comma = false;
    for (number, line) in text.lines().enumerate() {
        let line_number = number + 1;
        let line = line.split('#').next().unwrap_or_default();
        let mut rest = line;
        while let Some(next) = rest.chars().next() {
            let length = rest
                .find(|c: char| c.is_whitespace() || ",;{}".contains(c))
                .filter(|at| *at > 0)
                .unwrap_or(if ",;{}".contains(next) || next.is_whitespace() {
                    next.len_utf8()
                } else {
                    rest.len()
                });
            let (one, after) = rest.split_at(length);
            rest = after;
            if !next.is_whitespace() {
                comma = next == ',';
            }
            match next {
                ',' => {}
                ';' => found.push(Token::End),
                '{' => found.push(Token::Open(line_number)),
                '}' => found.push(Token::Close(line_number)),
                _ if next.is_whitespace() => {}
                _ => found.push(Token::Word(Word {
                    text: one.to_owned(),
                    line: line_number,
                })),
            }
        }
        if !comma {
            found.push(Token::End);
        }
    }
    found
}

/// All statements that can be made out, and what can't.
pub fn parse(text: &str) -> (Vec<Statement>, Vec<Wrong>) {
    let mut wrong = Vec::new();
    // The statements of each block that is open, and where it was opened.
    let mut open: Vec<(Vec<Statement>, usize)> = vec![(Vec::new(), 0)];
    let mut words: Vec<Word> = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Word(word) => words.push(word),
            Token::End => end(&mut open, &mut words, None),
            Token::Open(line) => {
                if words.is_empty() {
                    wrong.push(Wrong::new(line, "a block without a name"));
                    words.push(Word {
                        text: String::new(),
                        line,
                    });
                }
                end(&mut open, &mut words, Some(Vec::new()));
                open.push((Vec::new(), line));
            }
            Token::Close(line) => {
                end(&mut open, &mut words, None);
                if open.len() == 1 {
                    wrong.push(Wrong::new(line, "'}' closes nothing"));
                } else {
                    close(&mut open);
                }
            }
        }
    }
    end(&mut open, &mut words, None);
    while open.len() > 1 {
        let line = open.last().map_or(0, |block| block.1);
        wrong.push(Wrong::new(line, "'{' is not closed"));
        close(&mut open);
    }
    (open.pop().unwrap_or_default().0, wrong)
}

fn end(open: &mut [(Vec<Statement>, usize)], words: &mut Vec<Word>, block: Option<Vec<Statement>>) {
    if words.is_empty() {
        return;
    }
    let name = words.remove(0);
    if let Some((statements, _)) = open.last_mut() {
        statements.push(Statement {
            name,
            values: std::mem::take(words),
            block,
        });
    }
}

fn close(open: &mut Vec<(Vec<Statement>, usize)>) {
    let Some((statements, _)) = open.pop() else {
        return;
    };
    if let Some(last) = open.last_mut().and_then(|outer| outer.0.last_mut()) {
        last.block = Some(statements);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(statements: &[Statement]) -> String {
        let one = |statement: &Statement| {
            let values: String = statement
                .values
                .iter()
                .map(|value| format!(" {}", value.text))
                .collect();
            let block = statement
                .block
                .as_ref()
                .map(|block| format!(" {{{}}}", shape(block)));
            format!(
                "{}:{}{values}{};",
                statement.name.line,
                statement.name.text,
                block.unwrap_or_default()
            )
        };
        statements.iter().map(one).collect()
    }

    #[test]
    fn statements() {
        for (text, expected) in [
            ("", ""),
            ("a 1\nb 2, 3 # c\n\n", "1:a 1;2:b 2 3;"),
            ("t x { a 1; b 2 }", "1:t x {1:a 1;1:b 2;};"),
            ("t x {\n a 1,\n  2\n b\n}\nc", "1:t x {2:a 1 2;4:b;};6:c;"),
            ("t{a;}u{}", "1:t {1:a;};1:u {};"),
        ] {
            let (statements, wrong) = parse(text);
            assert_eq!(shape(&statements), expected);
            assert_eq!(wrong, []);
        }
    }

    #[test]
    fn unbalanced() {
        for (text, line) in [("}", 1), ("a\nt {\nb", 2), ("\n{ a }", 2)] {
            assert_eq!(parse(text).1[0].line, line, "{text}");
        }
    }
}
