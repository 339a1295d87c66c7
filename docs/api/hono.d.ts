// The public API of @headgate/hono. Written by `npm run api`.

// ── @headgate/hono

export interface Problem {
    readonly type: string;
    readonly title: string;
    readonly status: number;
    readonly detail?: string;
    readonly code: string;
    readonly policy?: string;
    readonly pipeline?: string;
}

export interface ProblemKind {
    readonly status: number;
    readonly title: string;
    readonly detail?: (error: Error) => string;
    readonly retryAfterMs?: (error: Error) => number;
}

export interface ProblemParts {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly problem: Problem;
}

export declare function problem(error: unknown, more?: Readonly<Record<string, ProblemKind>>): Response;

export declare function toProblem(error: unknown, more?: Readonly<Record<string, ProblemKind>>): ProblemParts;
