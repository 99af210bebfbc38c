//! Whether a page is made of what every `man` knows: groff's and mandoc's, from man(7) and roff(7).

/// The macros and requests below the title, each with how many arguments it has at most.
const MACROS: [(&str, usize); 10] =
    [("SH", 1), ("PP", 0), ("TP", 0), ("IP", 2), ("RS", 1), ("RE", 0), ("br", 0), ("sp", 0), ("nh", 0), ("ad", 1)];
/// What a backslash may begin.
const ESCAPES: [&str; 9] = ["fB", "fI", "fR", "-", "&", "*(Aq", "(bu", "(ti", "(ha"];
/// The sections in their order, and whether every page has them.
const SECTIONS: [(&str, bool); 11] = [
    ("NAME", true),
    ("SYNOPSIS", true),
    ("DESCRIPTION", true),
    ("OPTIONS", true),
    ("WHERE THE TOKEN COMES FROM", false),
    ("WHICH CREDENTIALS", false),
    ("SUBCOMMANDS", false),
    ("EXIT STATUS", true),
    ("ENVIRONMENT", false),
    ("FILES", false),
    ("SEE ALSO", true),
];
const HEAD: &str = ".\\\" Made by countersign manual.\n.ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH ";

/// The text as it is read, without what `man` is told in it.
pub(crate) fn plain(page: &str) -> String {
    let signs = [
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\fR", ""),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\*(Aq", "'"),
        ("\\(ti", "~"),
        ("\\(ha", "^"),
    ];
    signs.iter().fold(page.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What is wrong with it.
pub(crate) fn faults(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(rest) = page.strip_prefix(HEAD).filter(|_| page.ends_with('\n')) else {
        return vec!["does not begin and end as a page".to_owned()];
    };
    let lines: Vec<&str> = rest.lines().skip(1).collect();
    let (mut indented, mut sections) = (0, Vec::new());
    for (index, line) in lines.iter().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{what}: {line}"));
        let next = lines.get(index + 1).copied().unwrap_or(".");
        let Some(control) = line.strip_prefix('.') else {
            text(line, fault);
            continue;
        };
        let (name, arguments) = control.split_once(' ').unwrap_or((control, ""));
        let count = arguments
            .split('"')
            .enumerate()
            .map(|(i, piece)| if i % 2 == 1 { 1 } else { piece.split_whitespace().count() });
        match MACROS.iter().find(|(known, _)| *known == name) {
            None => fault("no macro"),
            Some((_, most)) if count.sum::<usize>() > *most => fault("too many arguments"),
            Some(_) => {}
        }
        indented += i32::from(name == "RS") - i32::from(name == "RE");
        if indented < 0 || (name == "SH" && indented != 0) {
            fault("indentation");
        }
        if matches!(name, "SH" | "TP" | "IP" | "PP" | "sp") && next.starts_with('.') && !(name == "SH" && next == ".TP")
        {
            fault("nothing below it");
        }
        if name == "TP" && lines.get(index + 2).is_none_or(|line| line.starts_with('.')) {
            fault("a term that nothing is said of");
        }
        if name == "SH" {
            sections.push(arguments.trim_matches('"'));
        }
    }
    let mut left = sections.iter().peekable();
    for (section, needed) in SECTIONS {
        if left.next_if(|found| **found == section).is_none() && needed {
            faults.push(format!("no section {section} in its place: {sections:?}"));
        }
    }
    faults.extend(left.map(|section| format!("a section {section}")));
    faults
}

fn text(line: &str, mut fault: impl FnMut(&str)) {
    if line.is_empty() || line.starts_with(['\'', ' ']) || line.ends_with(' ') {
        fault("empty, or begins or ends as text must not");
    }
    if line.contains(['`', '~', '^', '\t']) {
        fault("a sign that is printed as another one");
    }
    let mut font = "fR";
    for piece in line.split('\\').skip(1) {
        match ESCAPES.iter().find(|escape| piece.starts_with(**escape)) {
            None => fault("no escape"),
            Some(change) if change.starts_with('f') => {
                if (font == "fR") == (*change == "fR") {
                    fault("a font within another one");
                }
                font = change;
            }
            Some(_) => {}
        }
    }
    if font != "fR" {
        fault("a font that does not end");
    }
}

#[test]
fn a_page_that_is_spoiled_is_found() {
    let good = super::made().swap_remove(0).roff;
    assert_eq!(faults(&good), Vec::<String>::new());
    for (from, to, said) in [
        (".\\\" Made by", ".\\\" By", "does not begin"),
        (".SH NAME", ".Sh NAME", "no macro: .Sh NAME"),
        (".SH NAME", ".TH A 1\n.SH NAME", "no macro: .TH"),
        (".SH NAME", ".SH NAME and more", "too many arguments"),
        (".SH NAME\n", "", "no section NAME"),
        (".SH NAME", ".SH HISTORY\nx\n.SH NAME", "no section NAME in its place"),
        (".SH \"SEE ALSO\"", ".SH HISTORY\nx\n.SH \"SEE ALSO\"", "a section HISTORY"),
        (".SH NAME\n", ".SH NAME\n.RS\n", "indentation"),
        (".SH NAME\n", ".SH NAME\n\n", "empty"),
        (".SH NAME\n", ".SH NAME\n'so /etc/passwd\n", "begins"),
        ("Print version", "", "empty"),
        ("\nPrint version\n", "\n", "a term that nothing is said of"),
        ("Print version", "Print `version", "printed as another"),
        ("Print version", "Print \\version", "no escape"),
        ("Print version", "Print \\fBversion", "does not end"),
        ("Print version", "\\fBPrint \\fIversion\\fR", "within another"),
    ] {
        let spoiled = good.replacen(from, to, 1);
        assert!(faults(&spoiled).join("\n").contains(said), "{to}: {:?}", faults(&spoiled));
    }
}
