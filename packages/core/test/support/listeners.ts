/** The signal of the controller, and how many listeners stand on it. */
export function listenersOn(controller: AbortController): { signal: AbortSignal; count(): number } {
  const { signal } = controller;
  const present = new Set<unknown>();
  const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
  const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
  Object.defineProperties(signal, {
    addEventListener: {
      value: (...args: unknown[]) => {
        present.add(args[1]);
        add(...args);
      },
    },
    removeEventListener: {
      value: (...args: unknown[]) => {
        present.delete(args[1]);
        remove(...args);
      },
    },
  });
  return { signal, count: () => present.size };
}
