//! stockade-policies
