//! Writes `vectors/*.json`: the same bytes each time.

use std::error::Error;
use std::path::Path;

use dchat_spec::suites;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    std::fs::create_dir_all(&folder)?;
    for suite in suites::all() {
        std::fs::write(
            folder.join(suite.name).with_extension("json"),
            suite.to_file()?,
        )?;
    }
    Ok(())
}
