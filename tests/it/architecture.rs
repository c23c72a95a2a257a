//! Checks the structure of `src/`: no module imports from a module above it, and no files import each other in a cycle.
//!
//! A re-export (`pub use`) is not an import: it only gives an item another path. An import of a re-exported item counts
//! as an import from the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

/// The top-level modules, from top to bottom. A module imports only from modules below it.
const LAYERS: [&str; 23] = [
    "main",
    "trailscan",
    "lambda",
    "aws",
    "pipeline",
    "telemetry",
    "settings",
    "reply",
    "failure",
    "heartbeat",
    "rules",
    "publish",
    "alert",
    "enrich",
    "triage",
    "sweep",
    "delivery",
    "detect",
    "pattern",
    "trail",
    "s3_object",
    "service",
    "clock",
];
/// Modules at the bottom, which every module may use.
const FOUNDATION: [&str; 1] = ["identity"];

/// A module path within the crate, such as `["alert", "chat"]`; empty for the crate root.
type Module = Vec<String>;

/// The parsed files of a crate, by module.
struct Sources(BTreeMap<Module, syn::File>);

/// An import of one file from another.
type Import = (Module, Module);

impl Sources {
    /// Parses files, given as their path below `src/` and their text.
    fn parse<'a>(files: impl IntoIterator<Item = (String, &'a str)>) -> Self {
        let parse = |(path, text): (String, &str)| {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            (module_of(&path), file)
        };
        Self(files.into_iter().map(parse).collect())
    }

    /// The items of a module, except test code.
    fn items(&self, module: &Module) -> impl Iterator<Item = &Item> {
        self.0[module].items.iter().filter(|item| !is_for_tests(item))
    }

    /// The module that defines the item at this path from the crate root. Follows re-exports.
    fn defining_module(&self, path: &[String]) -> Module {
        let mut module = Module::new();
        for (at, segment) in path.iter().enumerate() {
            let child: Module = module.iter().chain([segment]).cloned().collect();
            if self.0.contains_key(&child) {
                module = child;
                continue;
            }
            if !self.0.contains_key(&module) {
                break;
            }
            let rest = &path[at + 1..];
            let reexport = self.reexports(&module).into_iter().find(|(name, _)| name == segment);
            return match reexport {
                Some((_, target)) => self.defining_module(&[&target, rest].concat()),
                None => module,
            };
        }
        module
    }

    /// The names that a module re-exports, each with the path of the item.
    fn reexports(&self, module: &Module) -> Vec<(String, Vec<String>)> {
        let uses = self.items(module).filter_map(|item| match item {
            Item::Use(it) if is_reexport(it) => Some(it),
            _ => None,
        });
        let paths = uses.flat_map(|it| expand(&it.tree));
        paths.filter_map(|(path, name)| Some((name, self.absolute(module, &path)?))).collect()
    }

    /// A path from the crate root; `None` if the path leaves the crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let mut base = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (base, rest) = (root_of(module), &path[1..]),
            "trailwarden" => (base, rest) = (Module::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|it| it == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                let child: Module = module.iter().cloned().chain([child.to_owned()]).collect();
                self.0.contains_key(&child).then_some(())?;
            }
        }
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }

    /// Every import between two files.
    fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for module in self.0.keys() {
            let mut paths = Paths::default();
            self.items(module).for_each(|item| paths.visit_item(item));
            let targets = paths.0.iter().filter_map(|path| self.absolute(module, path));
            let targets = targets.map(|path| self.defining_module(&path)).filter(|target| target != module);
            imports.extend(targets.map(|target| (module.clone(), target)));
        }
        imports
    }

    /// Imports from a module above, and cycles of files.
    fn violations(&self) -> Vec<String> {
        let imports = self.imports();
        let rank = |module: &Module| {
            let name = module.first()?;
            LAYERS.iter().chain(&FOUNDATION).position(|layer| layer == name)
        };
        let upward = imports.iter().filter(|(from, to)| from.first() != to.first() && rank(from) >= rank(to));
        let mut violations: Vec<_> =
            upward.map(|(from, to)| format!("{} imports from {} above it", from.join("::"), to.join("::"))).collect();
        let mut remaining = imports.clone();
        // A file that imports nothing, or that nothing imports, is part of no cycle.
        loop {
            let (froms, tos): (BTreeSet<_>, BTreeSet<_>) = remaining.iter().cloned().unzip();
            let before = remaining.len();
            remaining.retain(|(from, to)| tos.contains(from) && froms.contains(to));
            if remaining.len() == before {
                break;
            }
        }
        violations
            .extend(remaining.iter().map(|(from, to)| format!("cycle: {} -> {}", from.join("::"), to.join("::"))));
        violations
    }
}

/// `alert/chat.rs` is `alert::chat`; `bin/trailscan/scan.rs` is `trailscan::scan`; `lib.rs` is the crate root.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs").trim_start_matches("bin/");
    let segments = path.split('/').filter(|it| *it != "lib").map(str::to_owned);
    let mut module: Module = segments.collect();
    if module.len() > 1 && module.last().is_some_and(|it| it == "main") {
        module.pop();
    }
    module
}

/// The root of the crate that a module belongs to. Programs have their own, and import the library by its name.
fn root_of(module: &Module) -> Module {
    module.iter().take(1).filter(|it| ["main", "trailscan"].contains(&it.as_str())).cloned().collect()
}

fn is_for_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        _ => &[],
    };
    attributes.iter().any(|it| matches!(&it.meta, syn::Meta::List(list) if list.tokens.to_string() == "test"))
}

fn is_reexport(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// The paths of a `use`, each with the name that it introduces.
fn expand(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(it) => {
            let inner = expand(&it.tree).into_iter();
            inner.map(|(path, name)| ([vec![it.ident.to_string()], path].concat(), name)).collect()
        }
        UseTree::Name(it) if it.ident == "self" => vec![(Vec::new(), String::new())],
        UseTree::Name(it) => vec![(vec![it.ident.to_string()], it.ident.to_string())],
        UseTree::Rename(it) => vec![(vec![it.ident.to_string()], it.rename.to_string())],
        UseTree::Glob(_) => vec![(Vec::new(), String::new())],
        UseTree::Group(it) => it.items.iter().flat_map(expand).collect(),
    }
}

/// All paths of a file, except those of re-exports.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_reexport(item) {
            self.0.extend(expand(&item.tree).into_iter().map(|(path, _)| path));
        }
    }

    /// The path in `pub(super)` is not an import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|it| it.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        // The arguments of a macro are unparsed tokens. Imports in them are paths that begin with `crate` or `super`.
        let text = item.tokens.to_string().replace(' ', "");
        for start in ["crate::", "super::"] {
            for (at, _) in text.match_indices(start) {
                let end = text[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = &text[at..end.map_or(text.len(), |end| at + end)];
                self.0.push(path.trim_end_matches(':').split("::").map(str::to_owned).collect());
            }
        }
        visit::visit_macro(self, item);
    }
}

/// Reads the Rust files of a folder and its subfolders.
fn read(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}/"), files);
        } else if path.extension().is_some_and(|it| it == "rs")
            && !name.ends_with("/tests.rs")
            && !name.ends_with("/properties.rs")
        {
            files.push((name, std::fs::read_to_string(&path).expect("a file")));
        }
    }
}

#[test]
fn modules_import_only_from_modules_below_them() {
    let mut files = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    let sources = Sources::parse(files.iter().map(|(path, text)| (path.clone(), text.as_str())));
    assert_eq!(sources.violations(), [""; 0]);
    let modules: BTreeSet<_> = sources.0.keys().filter_map(|module| module.first().map(String::as_str)).collect();
    assert_eq!(modules, LAYERS.into_iter().chain(FOUNDATION).collect(), "each module has a layer");
    assert!(sources.imports().len() > 150, "the imports are found");
}

#[test]
fn upward_imports_and_cycles_are_detected() {
    let violations = |files: &[(&str, &str)]| {
        Sources::parse(files.iter().map(|(path, text)| ((*path).to_owned(), *text))).violations()
    };
    let upward = "detect imports from alert above it";
    let alert = ("alert.rs", "mod chat; pub use chat::Chat; pub struct Alert;");
    let chat = ("alert/chat.rs", "pub struct Chat;");
    for (detect, expected) in [
        ("use crate::alert::Alert;", upward),
        ("use crate::{alert::{self, Alert}, trail};", upward),
        ("use super::alert::Alert as Other;", upward),
        ("fn f() -> crate::alert::Alert { g() }", upward),
        ("fn f() { vec![crate::alert::Alert]; }", upward),
        ("use crate::alert::Chat;", "detect imports from alert::chat above it"),
        ("use crate::alert::*;", upward),
    ] {
        assert_eq!(violations(&[alert, chat, ("trail.rs", ""), ("detect.rs", detect)]), [expected], "{detect}");
    }
    let harmless = [alert, chat, ("detect.rs", "#[cfg(test)] mod tests { use crate::alert::Alert; }")];
    assert_eq!(violations(&harmless), [""; 0]);
    for (parent, child) in [
        ("mod chat; fn f() { chat::g() }", "use super::Alert;"),
        ("mod chat; use chat::g; pub struct Alert;", "use crate::alert::Alert;"),
        ("mod chat; use self::chat::g; pub struct Alert;", "fn g(_: &super::Alert) {}"),
    ] {
        let found = violations(&[("alert.rs", parent), ("alert/chat.rs", child)]);
        assert_eq!(found, ["cycle: alert -> alert::chat", "cycle: alert::chat -> alert"], "{parent} {child}");
    }
    let siblings = [
        ("alert.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("alert/a.rs", "use super::B; pub struct A;"),
        ("alert/b.rs", "use super::A; pub struct B;"),
    ];
    assert_eq!(violations(&siblings), ["cycle: alert::a -> alert::b", "cycle: alert::b -> alert::a"]);
}
