//! stockade-plan
