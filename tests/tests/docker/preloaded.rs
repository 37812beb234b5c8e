//! Images that have every program load a library of theirs, ld.so(8).

use std::path::Path;

use super::rig::compile_with;
use super::*;

const LIBRARY: &str = include_str!("preloaded.c");
/// What a program of the image's needs that is linked as most are.
const LIBRARIES: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"];

/// An image with such a program, a library, and, by `name_it`, something in its `/etc` that may name it.
fn image(name: &str, name_it: impl Fn(&Path)) -> String {
    RIG.engine.import_with(name, &[], |bin| {
        let root = bin.parent().unwrap();
        std::fs::create_dir(root.join("etc")).unwrap();
        for library in LIBRARIES {
            let within = root.join(library.trim_start_matches('/'));
            std::fs::create_dir_all(within.parent().unwrap()).unwrap();
            std::fs::copy(library, within).unwrap();
        }
        compile_with(&[], "int main(void) { return 0; }", &bin.join("linked"));
        compile_with(&["-shared", "-fPIC"], LIBRARY, &root.join("evil.so"));
        name_it(&root.join("etc"));
    })
}

#[test]
fn no_library_of_an_image_is_loaded_into_its_first_process() {
    let images = [
        ("named", image("named", |etc| std::fs::write(etc.join("ld.so.preload"), "/evil.so\n").unwrap())),
        ("unnamed", image("unnamed", |_| ())),
    ];
    let service = |(name, image): &(&str, String)| {
        format!(
            "  - name: {name}\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{image}\"]}}\n    operations:\n      \
             - {{name: run, max_retries: 0, runner_config: {{command: [/bin/linked]}}}}\n"
        )
    };
    let services: String = images.iter().map(service).collect();
    let server = Server::start_in(place(&format!("services:\n{services}"), &RIG.engine));
    for (name, _) in &images {
        let job = server.run(name, "run", &json!({}));
        assert_eq!(job["status"], "completed", "{name}: {job}");
        // The job's own program is the image's, and so is what is loaded into it. Init would have spoilt what it says.
        let loaded = if *name == "unnamed" { "" } else { "loaded\n" };
        assert_eq!(stdout(&job), loaded, "{name}");
    }
}
