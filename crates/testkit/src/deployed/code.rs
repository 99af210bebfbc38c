//! The packages that were uploaded: a function runs what AWS was given, wherever it came from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::tools::{self, isolated};

/// Unpacks a zip with the modes that are in it, as Lambda does. Python's own command leaves them out.
const UNPACK: &str = "
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        path = archive.extract(entry, sys.argv[2])
        os.chmod(path, entry.external_attr >> 16 & 0o777)
";

/// The packages by what AWS calls `CodeSha256`, and a folder for them. It is gone when this is.
pub(crate) struct Packages {
    folder: TempDir,
    zips: Mutex<BTreeMap<String, PathBuf>>,
}

/// `CodeSha256` of a package: its SHA-256 in Base64.
pub fn code_sha256(zip: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(zip))
}

impl Packages {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("testkit-packages-").tempdir().expect("a temporary folder");
        Self { folder, zips: Mutex::default() }
    }

    /// Keeps the package of a request that makes a function or changes its code.
    pub(crate) fn keep(&self, request: &[u8]) -> Result<(), String> {
        let request: Value = serde_json::from_slice(request).map_err(|error| format!("no JSON: {error}"))?;
        let code = if request["Code"].is_object() { &request["Code"] } else { &request };
        let Some(zip) = code["ZipFile"].as_str() else {
            return Err(
                "only zips that are uploaded with the request can be run here, no S3 object and no image".to_owned()
            );
        };
        let zip = STANDARD.decode(zip).map_err(|error| format!("ZipFile is no Base64: {error}"))?;
        let digest = code_sha256(&zip);
        let mut zips = self.zips.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.path().join(format!("{}.zip", zips.len()));
        std::fs::write(&path, &zip).map_err(|error| format!("{}: {error}", path.display()))?;
        zips.entry(digest).or_insert(path);
        Ok(())
    }

    /// The program of the package with this digest, unpacked.
    pub(crate) fn program(&self, digest: &str) -> Result<PathBuf, String> {
        let zip = self.zips.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        let zip = zip.ok_or_else(|| format!("no package with the digest {digest} was ever uploaded"))?;
        let folder = zip.with_extension("");
        let program = folder.join("bootstrap");
        if !folder.exists() {
            let mut python = isolated(tools::python(), self.folder.path());
            python.args(["-I", "-c", UNPACK]).arg(&zip).arg(&folder);
            let output = python.output().map_err(|error| format!("Python does not start: {error}"))?;
            if !output.status.success() {
                return Err(format!("the package cannot be unpacked: {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        if program.exists() { Ok(program) } else { Err("the package holds no file `bootstrap`".to_owned()) }
    }
}
