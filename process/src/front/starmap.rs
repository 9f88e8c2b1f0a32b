//! Functions of several arguments, called with a tuple of them.

/// A function that can be called with its arguments in a tuple `T`. For
/// [`ProcessPool::starmap`](crate::ProcessPool::starmap).
///
/// Every `fn` item and closure of up to six arguments is one. A pool wants one that
/// [captures nothing](crate::ProcessPool#functions-that-can-be-called).
pub trait Star<T> {
    /// What it returns.
    type Output;

    /// Calls it.
    fn apply(&self, arguments: T) -> Self::Output;
}

macro_rules! star {
    ($($name:ident)*) => {
        impl<F: Fn($($name),*) -> R, R, $($name),*> Star<($($name,)*)> for F {
            type Output = R;

            fn apply(&self, arguments: ($($name,)*)) -> R {
                #[allow(non_snake_case)]
                let ($($name,)*) = arguments;
                self($($name),*)
            }
        }
    };
}

star!(A);
star!(A B);
star!(A B C);
star!(A B C D);
star!(A B C D E);
star!(A B C D E G);
