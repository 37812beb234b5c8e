//! Regular expressions (ECMA-262) for the texts of policies.

/// An absolute path without `.`, `..`, empty components, control characters.
pub(super) const ABSOLUTE: &str = r"^(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f*?$]+)+$";
/// The same, relative; or `*`.
pub(super) const OUTPUT: &str =
    r"^(\*|(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f*?\[]+(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f*?\[]+)*)$";
/// A name of a policy.
pub(super) const POLICY_NAME: &str = r"^[a-z][a-z0-9-]{0,63}$";
/// A name of a service or operation.
pub(super) const NAME: &str = r"^[A-Za-z0-9_.-]{1,128}$";
/// An execution type.
pub(super) const EXECUTION_TYPE: &str = r"^[a-z][a-z0-9_]{0,31}$";
/// A whole number of a unit of size.
pub(super) const SIZE: &str = r"^[0-9]+([KMGT]iB)$";
/// The larger units first, each at most once.
pub(super) const TIME: &str = r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
/// A variable that does not steer the dynamic loader.
pub(super) const VARIABLE: &str = r"^(?!LD_)(?!GLIBC_TUNABLES$)[A-Za-z_][A-Za-z0-9_]*$";
/// A host, or `*.` and a host below a top-level domain, and a port.
pub(super) const HOST: &str = r"^(?![0-9.]+:)(?!([^:]*\.)?localhost:)(\*\.(?=[^:]*\.))?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*:[1-9][0-9]{0,4}$";
/// An address in decimal or in brackets, perhaps a prefix, a port.
pub(super) const ADDRESS: &str =
    r"^(([0-9]{1,3}\.){3}[0-9]{1,3}|\[[0-9A-Fa-f:.]+\])(/[1-9][0-9]{0,2})?:[1-9][0-9]{0,4}$";
/// A name without tag, and a digest.
pub(super) const IMAGE: &str = r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5}(?=/))?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*@sha256:[0-9a-f]{64}$";
/// A function with its version or alias.
pub(super) const FUNCTION: &str =
    r"^arn:aws(-cn|-us-gov)?:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}:[A-Za-z0-9_-]+$";
/// Plain components of a URL's path.
pub(super) const PREFIX: &str =
    r"^/(?!/)(?!.*//)(?!(.*/)?\.{1,2}(/|$))[^\u0000-\u0020\u007f-\uffff%\\?#*;]*$";
/// A field that does not frame the message.
pub(super) const HEADER: &str = r"^(?!proxy-)(?!(connection|content-length|expect|forwarded|host|http2-settings|keep-alive|te|trailer|transfer-encoding|upgrade|via)$)[a-z0-9!#$%&'*+.^_`|~-]{1,128}$";
/// A reference, never the secret.
pub(super) const SECRET: &str = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f]+)+|credential:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127})$";
/// A word of SpecQL's short form of a schema.
pub(super) const TYPE: &str = r"^\s*(text|string|integer|decimal|number|boolean|date|timestamp|uuid|json|list|object|list\(.+\)|enum\(\s*[^,\s].*\)|ref\(\s*[A-Za-z0-9_.]+\s*\))\s*\??$";
