// A response is still work while its body streams: what stands for the work is kept until the body has ended.

/** The same response; `release` is called once its body has ended, failed (with what) or was cancelled. */
export function holdUntilBodyEnds(response: Response, release: (error?: unknown) => void): Response {
  const { body } = response;
  if (body === null) {
    release();
    return response;
  }
  const reader = body.getReader();
  const held = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          release();
          controller.close();
        } catch (error) {
          release(error);
          throw error;
        }
      },
      cancel(reason) {
        release();
        return reader.cancel(reason);
      },
    },
    // Nothing is read ahead of the client.
    { highWaterMark: 0 },
  );
  return new Response(held, response);
}
