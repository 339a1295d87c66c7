// The bounds of what a request may ask for. All are part of the error message that a request beyond them gets.

/** The longest time a request may ask to be kept waiting: ten minutes. */
export const MAX_WAIT_MS = 600_000;

/** The largest body that `/bytes` sends: 1 GiB. */
export const MAX_STREAM_BYTES = 1_073_741_824;

/** The largest body that `/drip` and `/trailing-error` send: 1 MiB. */
export const MAX_SLOW_BYTES = 1_048_576;

/** The longest pause between two bytes of `/drip`: one minute. */
export const MAX_PAUSE_MS = 60_000;

/** The largest body that `/echo` holds in memory and sends back: 8 MiB. `/hash` takes any size. */
export const MAX_ECHO_BYTES = 8_388_608;

/** The largest body of `PUT /_mode`: 16 KiB. */
export const MAX_MODE_BYTES = 16_384;
