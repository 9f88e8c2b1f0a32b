//! A rule on names: within a crate no two types share one.

use crate::{
    demand,
    source::{self, LIBRARIES},
};
use std::collections::BTreeMap;
use syn::visit::Visit;

/// Names that several private types of one crate may share, since each is seen in its own file only.
const SHARED_NAMES: &[&str] = &["State"];

/// Public names that several modules share on purpose. They are written with their module, as the standard
/// library's are: `mpsc::Sender`, `oneshot::Sender`.
const FAMILIES: &[&str] =
    &["Sender", "Receiver", "SendError", "RecvError", "TryRecvError", "Permit", "OwnedPermit"];

/// The types that a file defines outside its tests, with whether they can be seen elsewhere.
#[derive(Default)]
struct Types(Vec<(String, bool)>);

impl Types {
    fn define(&mut self, name: &syn::Ident, visibility: &syn::Visibility) {
        self.0.push((name.to_string(), !matches!(visibility, syn::Visibility::Inherited)));
    }
}

/// Whether an item is compiled for tests or models only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test" || word == "loom")
    })
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) && module.ident != "tests" {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.define(&item.ident, &item.vis);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.define(&item.ident, &item.vis);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.define(&item.ident, &item.vis);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.define(&item.ident, &item.vis);
    }

    /// Types within functions are seen there only, and need no name of their own.
    fn visit_block(&mut self, _: &'ast syn::Block) {}
}

#[test]
fn no_two_types_of_a_crate_share_a_name() {
    let mut breaches = Vec::new();
    for library in LIBRARIES {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in source::files(".rs") {
            let is_model = file.path.contains("/model");
            if !file.path.starts_with(&format!("{library}/src/")) || is_model {
                continue;
            }
            let mut types = Types::default();
            types.visit_file(&syn::parse_file(&file.text).unwrap());
            for (name, is_seen_elsewhere) in types.0 {
                let is_family = FAMILIES.contains(&name.as_str());
                let is_private = !is_seen_elsewhere && SHARED_NAMES.contains(&name.as_str());
                if !is_family && !is_private {
                    places.entry(name).or_default().push(file.path.clone());
                }
            }
        }
        let shared = places.into_iter().filter(|(_, files)| files.len() > 1);
        breaches.extend(shared.map(|(name, files)| format!("{name}: {}", files.join(", "))));
    }
    demand("no two types of a crate share a name", breaches);
}
