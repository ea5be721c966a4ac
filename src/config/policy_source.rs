//! Where a policy comes from: a preset, by its bare name, or a file.

use std::fmt;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Problem};
use super::policy_file;
use crate::scoring::policy::{Policy, Preset, nearest};

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A preset.
    Preset(Preset),
    /// A file.
    File(PathBuf),
}

impl PolicySource {
    /// What `text` names: a preset by its bare name, else a file; relative paths start from `folder`. A
    /// file that is called like a preset is named with its folder: `./cautious`.
    ///
    /// # Errors
    /// What is expected, when `text` is empty.
    pub fn named(text: &str, folder: &Path) -> Result<Self, &'static str> {
        match Preset::from_name(text) {
            Some(preset) => Ok(Self::Preset(preset)),
            None if text.is_empty() => Err("the path of a file, or balanced, cautious or lenient"),
            None => Ok(Self::File(folder.join(text))),
        }
    }

    /// Its file, if it is from one.
    pub(super) const fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Preset(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn read(&self) -> Result<Policy, Vec<Fault>> {
        match self {
            Self::Preset(preset) => Ok(preset.policy()),
            Self::File(path) => policy_file::read(path).map_err(|mut faults| {
                faults
                    .iter_mut()
                    .for_each(|fault| suggest_preset(fault, path));
                faults
            }),
        }
    }
}

/// Who mistypes a preset's name asks for a file that is not there.
fn suggest_preset(fault: &mut Fault, path: &Path) {
    let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    if let Problem::Unreadable(why) = &mut fault.problem
        && let Some(name) = path.file_name()
        && let Some(preset) = nearest(&name.to_string_lossy(), &names)
    {
        why.push_str(&format!("; did you mean the preset `{preset}`?"));
    }
}

impl Default for PolicySource {
    fn default() -> Self {
        Self::Preset(Preset::default())
    }
}

impl fmt::Display for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => write!(f, "preset {preset}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_of_presets_are_presets_and_all_else_are_files() {
        let named = |text| PolicySource::named(text, Path::new("etc")).unwrap();
        assert_eq!(named("lenient"), PolicySource::Preset(Preset::Lenient));
        for (text, path) in [
            ("./lenient", "etc/./lenient"),
            ("lenient.toml", "etc/lenient.toml"),
            ("/lenient", "/lenient"),
        ] {
            assert_eq!(named(text), PolicySource::File(PathBuf::from(path)));
        }
        assert!(PolicySource::named("", Path::new("etc")).is_err());
    }

    #[test]
    fn a_mistyped_preset_is_suggested() {
        let source = PolicySource::named("cautios", Path::new("")).unwrap();
        let told = source.read().unwrap_err()[0].to_string();
        assert!(told.starts_with("cautios: cannot be read: "), "{told}");
        assert!(
            told.ends_with("; did you mean the preset `cautious`?"),
            "{told}"
        );
    }
}
