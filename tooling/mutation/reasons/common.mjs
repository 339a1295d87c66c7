// Reasons that mutants of several groups have.
export const swallowed = "equivalent: what a policy throws while its call is being ended is dropped";
export const always = "equivalent: never null here, the optional access is for the type";
export const again = "equivalent: every answer that is neither `pass` nor `park` means the same";
export const context = "context: the call goes on in its own either way, at the price of a promise";
export const cheap = "faster: the general way gives the same answer";
export const skipped =
  "twice: with `failuresOnly` the engine does not ask on success, and without it the policy passes";
export const exact = "equivalent: two times that differ by nothing but a rounding error";
