// Why a mutant may survive: [file, a part of the line, a part of "code → what it becomes" or undefined, the reason].
export const reasons = [];
