//! Creation bytecode of the contracts the stage deploys, read from the npm packages and the compiler's output.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, Bytes, hex};
use eyre::{Context, Result, bail, eyre};
use serde_json::Value;

/// The directory that holds `node_modules/` and `out/`.
#[derive(Clone, Debug)]
pub struct Artifacts {
    root: PathBuf,
    /// Another program in place of anvil.
    node: Option<PathBuf>,
}

/// One contract's creation bytecode, with the places where addresses of libraries belong.
#[derive(Clone, Debug)]
pub struct Artifact {
    name: String,
    /// Hexadecimal without `0x`; a library's place holds a placeholder until it is linked.
    code: String,
    links: Vec<Link>,
}

/// A place in the bytecode where the address of a library belongs.
#[derive(Clone, Debug)]
struct Link {
    library: String,
    /// Offset in bytes.
    start: usize,
}

impl Artifacts {
    /// Artifacts below `root`, the directory with `node_modules/` and `out/`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), node: None }
    }

    /// The same artifacts on a chain of another program, which takes anvil's arguments and methods.
    #[must_use]
    pub fn on(self, node: impl Into<PathBuf>) -> Self {
        Self { node: Some(node.into()), ..self }
    }

    /// The directory with `node_modules/` and `out/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A contract of an npm package; `path` is relative to `node_modules/`.
    ///
    /// # Errors
    /// The file is missing or is no artifact.
    pub fn package(&self, path: &str) -> Result<Artifact> {
        Artifact::read(&self.root.join("node_modules").join(path))
    }

    /// A contract of ours, compiled by forge into `out/<name>.sol/<name>.json`.
    ///
    /// # Errors
    /// The file is missing or is no artifact.
    pub fn ours(&self, name: &str) -> Result<Artifact> {
        Artifact::read(&self.root.join("out").join(format!("{name}.sol")).join(format!("{name}.json")))
    }

    /// A Chainlink contract, compiled into `out/chainlink/<name>.json`.
    ///
    /// # Errors
    /// The file is missing or is no artifact.
    pub fn chainlink(&self, name: &str) -> Result<Artifact> {
        Artifact::read(&self.root.join("out").join("chainlink").join(format!("{name}.json")))
    }

    /// The program of the chain: without [`Self::on`] the native anvil of the npm package for this platform, else the one on
    /// the search path.
    #[must_use]
    pub fn anvil(&self) -> PathBuf {
        if let Some(node) = &self.node {
            return node.clone();
        }
        let system = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        let processor = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let package = format!("node_modules/@foundry-rs/anvil-{system}-{processor}/bin/anvil");
        let native = self.root.join(package);
        if native.is_file() { native } else { PathBuf::from("anvil") }
    }
}

impl Artifact {
    /// Reads an artifact as Hardhat (`bytecode` is a string) or as forge and solc write it (`bytecode.object`).
    ///
    /// # Errors
    /// The file is missing, is not JSON, or has no bytecode.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).wrap_err_with(|| {
            format!("contract artifact {} is missing: run scripts/setup", path.display())
        })?;
        let json: Value =
            serde_json::from_str(&text).wrap_err_with(|| format!("{} is not JSON", path.display()))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let code = json
            .pointer("/bytecode/object")
            .or_else(|| json.pointer("/bytecode"))
            .and_then(Value::as_str)
            .filter(|code| code.len() > 2)
            .ok_or_else(|| eyre!("{} has no bytecode", path.display()))?;
        let references = json.pointer("/bytecode/linkReferences").or_else(|| json.pointer("/linkReferences"));
        Ok(Self {
            name,
            code: code.strip_prefix("0x").unwrap_or(code).to_owned(),
            links: references.map(links).unwrap_or_default(),
        })
    }

    /// Names of the libraries whose addresses are still missing, without repetition.
    #[must_use]
    pub fn libraries(&self) -> Vec<String> {
        let mut names: Vec<_> = self.links.iter().map(|link| link.library.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Puts the address of `library` into its places.
    ///
    /// # Errors
    /// The contract does not use that library, or its places lie outside the bytecode.
    pub fn link(mut self, library: &str, address: Address) -> Result<Self> {
        let (places, others): (Vec<_>, Vec<_>) =
            self.links.into_iter().partition(|link| link.library == library);
        if places.is_empty() {
            bail!("{} does not use the library {library}", self.name);
        }
        for place in places {
            let from = place.start.saturating_mul(2);
            let place = from..from.saturating_add(40);
            if self.code.get(place.clone()).is_none() {
                bail!("the place of library {library} lies outside the bytecode of {}", self.name);
            }
            self.code.replace_range(place, &hex::encode(address));
        }
        self.links = others;
        Ok(self)
    }

    /// The creation bytecode, ready to be followed by constructor arguments.
    ///
    /// # Errors
    /// A library is not linked yet, or the bytecode is not hexadecimal.
    pub fn creation_code(&self) -> Result<Bytes> {
        if let Some(link) = self.links.first() {
            bail!("{} needs the address of library {}", self.name, link.library);
        }
        let code = hex::decode(&self.code).wrap_err_with(|| format!("bytecode of {}", self.name))?;
        Ok(code.into())
    }
}

/// `{"file.sol": {"Library": [{"start": 1681, "length": 20}]}}`, flattened.
fn links(references: &Value) -> Vec<Link> {
    let files = references.as_object().into_iter().flat_map(|files| files.values());
    files
        .filter_map(Value::as_object)
        .flatten()
        .flat_map(|(library, places)| {
            let starts = places.as_array().into_iter().flatten();
            starts
                .filter_map(|place| place.get("start")?.as_u64()?.try_into().ok())
                .map(|start| Link { library: library.clone(), start })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(json: &str) -> Result<Artifact> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Thing.json");
        fs::write(&path, json).unwrap();
        Artifact::read(&path)
    }

    #[test]
    fn both_artifact_formats_give_the_same_code() {
        let hardhat = artifact(r#"{"bytecode": "0x6001"}"#).unwrap();
        let forge = artifact(r#"{"bytecode": {"object": "0x6001", "linkReferences": {}}}"#).unwrap();
        assert_eq!(hardhat.creation_code().unwrap(), Bytes::from_static(&[0x60, 1]));
        assert_eq!(forge.creation_code().unwrap(), hardhat.creation_code().unwrap());
    }

    #[test]
    fn a_library_is_linked_in_its_place_and_nowhere_else() {
        let placeholder = format!("60{}6001", "_".repeat(40));
        let json = format!(
            r#"{{"bytecode": {{"object": "{placeholder}", "linkReferences": {{"a.sol": {{"Lib": [{{"start": 1, "length": 20}}]}}}}}}}}"#
        );
        let unlinked = artifact(&json).unwrap();
        assert_eq!(unlinked.libraries(), ["Lib"]);
        assert!(unlinked.creation_code().unwrap_err().to_string().contains("library Lib"));
        assert!(unlinked.clone().link("Other", Address::ZERO).is_err());
        let code = unlinked.link("Lib", Address::repeat_byte(0xab)).unwrap().creation_code().unwrap();
        assert_eq!(hex::encode(code), format!("60{}6001", "ab".repeat(20)));
    }

    #[test]
    fn an_interface_without_bytecode_is_refused() {
        assert!(artifact(r#"{"bytecode": "0x"}"#).unwrap_err().to_string().contains("has no bytecode"));
    }

    #[test]
    fn a_missing_file_is_named_with_the_way_to_get_it() {
        let error = Artifacts::new("/nowhere").ours("Vault").unwrap_err().to_string();
        assert_eq!(
            error,
            "contract artifact /nowhere/out/Vault.sol/Vault.json is missing: run scripts/setup"
        );
    }
}
