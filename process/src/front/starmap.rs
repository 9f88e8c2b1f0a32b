//! Functions of several arguments, called with a tuple of them.

/// A function that can be called with its arguments in a tuple `T`, for
/// [`ProcessPool::starmap`](crate::ProcessPool::starmap).
///
/// Every `fn` item and closure of up to six arguments implements it. A pool wants one that [captures
/// nothing](crate::ProcessPool#functions-that-can-be-called).
///
/// ```
/// use brigade_process::Star;
///
/// assert_eq!(u64::pow.apply((2, 5)), 32);
/// ```
pub trait Star<T> {
    /// The function's result.
    type Output;

    /// Calls the function with the arguments of the tuple.
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
