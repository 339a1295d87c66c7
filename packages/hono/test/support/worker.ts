// The application as a Worker. Its state is that of the isolate.
import { createTestApp } from "./app.ts";

export default createTestApp();
