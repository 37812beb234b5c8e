//! The migrations are compiled in; a new file among them must compile them in again. And how the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        // The unwinder that comes with the compiler, in place of the shared library that has the same one: to load that
        // takes a tenth of a millisecond, each time one of our programs starts.
        println!("cargo::rustc-link-lib=dylib:+verbatim=libgcc_eh.a");
    }
}
