//! What a recorder tells from inside a sandbox.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use stockade_plan::AbsPath;
use stockade_policies::{Breadth, Environment, Host, Library, Measured, PolicyName, Study, Trace};

/// Bytes to a recording, and a recording to a policy. Whatever was told, the policy's text is one that the strict parser
/// takes.
pub fn recording(data: &[u8]) {
    static HOST: OnceLock<Host> = OnceLock::new();
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    let trace = Trace::read(data);
    let (Ok(name), Ok(command)) = (PolicyName::new("fuzzed"), AbsPath::new("/bin/sh")) else { return };
    let study = Study {
        trace: &trace,
        name: &name,
        command: &command,
        inputs: &[],
        outputs: &[],
        pass: &[],
        measured: Measured::default(),
    };
    for breadth in [Breadth::Used, Breadth::LookedAt] {
        let draft = study.draft(HOST.get_or_init(Host::new), breadth, &BTreeSet::new());
        let library = LIBRARY.get_or_init(|| Library::shipped().unwrap_or_else(|found| panic!("{found}")));
        match library.with_text("fuzzed.yaml", &draft.text) {
            Ok((library, name)) => {
                assert!(library.effective(name.as_str(), Environment::Production).is_ok());
            }
            Err(found) => panic!("{found}\n{}", draft.text),
        }
    }
}
