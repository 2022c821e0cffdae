import type { ApiParameter, ApiRoute } from './api.ts'
import { componentSchemas, type JsonSchema, Problem, referenceOf } from './api-schemas.ts'

/** What an address answers where it can't give what was asked for. */
const PROBLEMS: Readonly<Record<string, string>> = {
  400: 'A parameter is not known, or its value is none.',
  401: 'Nobody is signed in.',
  403: 'Whoever is signed in may not read the log.',
  404: 'There is no such entry.',
  405: 'The log can only be read: GET and HEAD.',
  500: 'Something went wrong.',
  503: 'The log can’t be reached, or is not set up.',
}

/** The OpenAPI document of the JSON API, made from its addresses. */
export function createOpenApi(routes: readonly ApiRoute[], prefix: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Daybook',
      version: '1',
      description:
        'Reads an audit log. Who may is what the application says, by the same rule as for the pages. Answers may get further members: pass over those that you don’t know.',
    },
    servers: [{ url: prefix === '' ? '/' : prefix }],
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operationOf(route) }])),
    components: { schemas: componentSchemas() },
  }
}

function operationOf({ operation, summary, parameters, answer }: ApiRoute) {
  return {
    operationId: operation,
    summary,
    parameters: parameters.map(parameterOf),
    responses: {
      200: { description: summary, content: { 'application/json': { schema: referenceOf(answer) } } },
      ...Object.fromEntries(
        Object.entries(PROBLEMS).map(([status, description]) => [
          status,
          { description, content: { 'application/problem+json': { schema: referenceOf(Problem) } } },
        ]),
      ),
    },
  }
}

function parameterOf({ name, description, in: place, required, schema }: ApiParameter): JsonSchema {
  return { name, in: place ?? 'query', description, ...(required && { required }), schema }
}
