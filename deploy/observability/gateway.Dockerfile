# The gateway from source. Node runs its TypeScript as it is: nothing is built.
FROM node:26.10.0-slim
WORKDIR /headgate
COPY . .
# With the version of pnpm that package.json names. Hoisted: peer dependencies of the packages are found that way.
RUN npx --yes "$(node --print 'require("./package.json").packageManager')" \
  install --frozen-lockfile --prod --config.node-linker=hoisted --filter "@headgate/gateway..."
USER node
# Node itself, not npm, gets the signal to stop.
CMD ["node", "--conditions=headgate-source", "apps/gateway/src/node.ts"]
