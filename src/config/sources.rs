//! The sources that give settings: file, environment, flags.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::document::{Document, Given, Scalar};
use super::effective::{Effective, Origin};
use super::fault::{Fault, Place, Problem};
use super::names::{PREFIX, Setting, Takes, is_unknown, paths, variables};
use crate::grpc::limits::Limits;
use crate::scoring::policy::{Problem as SettingProblem, nearest};

/// The environment, by variable.
pub type Environment = BTreeMap<String, String>;

/// What flags of the command line give, each by its name, such as `--threads`.
pub type Flags = BTreeMap<&'static str, String>;

/// Where settings come from, what they come to, and what is wrong with them so far.
pub(super) struct Sources<'a> {
    file: Option<Document>,
    environment: &'a Environment,
    flags: &'a Flags,
    pub(super) effective: Vec<Effective>,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(file: Option<&Path>, environment: &'a Environment, flags: &'a Flags) -> Self {
        let (file, mut faults) = match file.map(Document::read) {
            None => (None, Vec::new()),
            Some(Ok(document)) => (Some(document), Vec::new()),
            Some(Err(faults)) => (None, faults),
        };
        faults.extend(file.as_ref().map(unknown_settings).unwrap_or_default());
        faults.extend(unknown_variables(environment));
        Self {
            file,
            environment,
            flags,
            effective: Vec::new(),
            faults,
        }
    }

    /// The value of `setting` from the last source that gives it. What earlier sources give is
    /// checked all the same. `parse` gets the folder that relative paths start from.
    pub(super) fn last_of<T: Display, E: Into<Cow<'static, str>>>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str, &Path) -> Result<T, E>,
    ) -> Option<T> {
        self.last_shown(setting, parse, T::to_string)
    }

    /// The same, or `default` where nobody gives it.
    pub(super) fn last_or<T: Display, E: Into<Cow<'static, str>>>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str, &Path) -> Result<T, E>,
        default: T,
    ) -> T {
        let last = self.last_of(setting, parse);
        last.unwrap_or_else(|| self.defaulted(default))
    }

    /// A whole number within the bounds of `setting`.
    pub(super) fn whole(&mut self, setting: &Setting, default: u64) -> u64 {
        let parse = |text: &str, _: &Path| match (text.parse(), &setting.takes) {
            (Ok(number), Takes::Whole(range)) if range.contains(&number) => Ok(number),
            (_, _) => Err(setting.expected),
        };
        self.last_or(setting, parse, default)
    }

    /// True or false.
    pub(super) fn flag(&mut self, setting: &Setting, default: bool) -> bool {
        let parse = |text: &str, _: &Path| text.parse().map_err(|_| setting.expected);
        self.last_or(setting, parse, default)
    }

    /// The limits, each as the last source has it.
    pub(super) fn limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        for limit in Limits::ALL {
            let parse = |text: &str, _: &Path| limit.parse(text);
            let number = self.last_or(&Setting::of(limit), parse, limit.default);
            limits.set(limit, number);
        }
        limits
    }

    /// The path of a file or directory.
    pub(super) fn path(&mut self, setting: &Setting) -> Option<PathBuf> {
        let parse = |text: &str, folder: &Path| match text {
            "" => Err("a path"),
            text => Ok(folder.join(text)),
        };
        let show = |path: &PathBuf| path.display().to_string();
        self.last_shown(setting, parse, show)
    }

    /// The same, or `default` where nobody gives it.
    pub(super) fn path_or(&mut self, setting: &Setting, default: &str) -> PathBuf {
        let last = self.path(setting);
        last.unwrap_or_else(|| PathBuf::from(self.defaulted(default.to_owned())))
    }

    /// Notes a fault of a setting as it is in force: alone it may be right, but not beside others.
    pub(super) fn refuse<T>(&mut self, setting: &Setting, why: &str) -> Option<T> {
        let mut found = self.effective.iter().rev();
        let found = found.find(|effective| effective.path == setting.path);
        let place = match found.map(|effective| &effective.origin) {
            Some(Origin::Given(place)) => place.clone(),
            // Nobody gave it: whoever is to give it finds it by its flag.
            Some(Origin::Default) | None => Place::Flag(setting.flag),
        };
        self.faults.push(Fault {
            place,
            field: setting.path.to_owned(),
            problem: Problem::Content(why.to_owned()),
        });
        None
    }

    /// Notes that nobody gave the setting asked for last; gives `default`.
    fn defaulted<T: Display>(&mut self, default: T) -> T {
        if let Some(last) = self.effective.last_mut() {
            last.value = Some(default.to_string());
        }
        default
    }

    fn last_shown<T, E: Into<Cow<'static, str>>>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str, &Path) -> Result<T, E>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let mut last = None;
        let parse = |text: &str, folder: &Path| parse(text, folder).map_err(Into::into);
        let faults = &mut self.faults;
        let mut take = |parsed, place: Place, faulty: &dyn Fn(SettingProblem) -> Fault| match parsed
        {
            Ok(value) => last = Some((value, place)),
            Err(expected) => faults.push(faulty(SettingProblem::WrongType { expected })),
        };
        if let Some(file) = &self.file
            && let Some(given) = file.find(setting.path)
        {
            let folder = file.path().parent().unwrap_or_else(|| Path::new(""));
            let parsed = match (&given.value, &setting.takes) {
                (Scalar::Text(text), _) => parse(text, folder),
                (Scalar::Integer(integer), Takes::Text | Takes::Whole(_)) => {
                    parse(&integer.to_string(), folder)
                }
                (Scalar::Flag(flag), Takes::Flag) => parse(&flag.to_string(), folder),
                (_, _) => Err(Cow::Borrowed(setting.expected)),
            };
            take(parsed, file.place_of(given), &|problem| {
                file.fault(given, problem)
            });
        }
        let mut outside = |text: &str, place: Place| {
            let faulty = |problem| Fault {
                place: place.clone(),
                field: setting.path.to_owned(),
                problem: Problem::Setting(problem),
            };
            take(parse(text, Path::new("")), place.clone(), &faulty);
        };
        let variable = self.environment.get(setting.variable);
        if let Some(text) = variable.filter(|text| !text.is_empty()) {
            outside(text, Place::Variable(setting.variable.to_owned()));
        }
        if let Some(text) = self.flags.get(setting.flag) {
            outside(text, Place::Flag(setting.flag));
        }
        let (last, place) = last.unzip();
        self.effective.push(Effective {
            path: setting.path,
            value: last.as_ref().map(show),
            origin: place.map_or(Origin::Default, Origin::Given),
        });
        last
    }
}

fn unknown_settings(file: &Document) -> Vec<Fault> {
    let known: Vec<&str> = paths().collect();
    let is_section = |path: &str| {
        known.iter().any(|known| {
            known
                .split_once('.')
                .is_some_and(|(section, _)| section == path)
        })
    };
    let problem_of = |given: &Given| match (&given.value, is_section(&given.path)) {
        (Scalar::EmptyTable, true) => None,
        (_, true) => Some(SettingProblem::WrongType {
            expected: Cow::Borrowed("a table"),
        }),
        (_, false) => Some(SettingProblem::Unknown {
            suggestion: nearest(&given.path, &known),
        }),
    };
    file.settings
        .iter()
        .filter(|given| !known.contains(&given.path.as_str()))
        .filter_map(|given| Some(file.fault(given, problem_of(given)?)))
        .collect()
}

fn unknown_variables(environment: &Environment) -> impl Iterator<Item = Fault> {
    let short = |name: &'static str| name.strip_prefix(PREFIX);
    let known: Vec<&str> = variables().filter_map(short).collect();
    let unknown = environment
        .iter()
        .filter(|(name, value)| is_unknown(name, value));
    unknown.map(move |(name, _)| {
        let suggestion = nearest(name.trim_start_matches(PREFIX), &known);
        let suggestion = suggestion.map(|short| format!("{PREFIX}{short}"));
        Fault {
            place: Place::Variable(name.clone()),
            field: String::new(),
            problem: Problem::Setting(SettingProblem::Unknown { suggestion }),
        }
    })
}
