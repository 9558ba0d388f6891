package openapi

// shop is a document that has one of everything.
const shop = `
openapi: 3.1.0
info: {title: "The Shop API", version: "2.1", description: "Sells\nthings."}
servers: [{url: "https://{region}.shop.example/v2/", variables: {region: {default: eu}}}]
security: [{key: []}]
paths:
  /things/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
    get:
      operationId: getThing
      summary: Get a thing
      security: [{key: []}, {signIn: [read]}]
      parameters:
        - {$ref: '#/components/parameters/Fields'}
        - {name: id, in: query, schema: {type: string}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: near, in: query, content: {application/json: {schema: {type: object}}}}
        - {name: Authorization, in: header, schema: {type: string}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: lang, in: cookie, schema: {type: string}}
      responses:
        '404': {description: none}
        '200': {content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}
    delete: {operationId: getThing, responses: {'204': {description: gone}}}
    trace: {responses: {}}
  /things:
    post:
      operationId: things/Create_Thing
      parameters: [{name: Idempotency-Key, in: header, required: true, schema: {type: string}}]
      requestBody:
        required: true
        content:
          text/plain: {schema: {type: string}}
          application/json: {schema: {$ref: '#/components/schemas/Thing'}}
      responses: {'201': {content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}}
  /orders:
    post:
      security: []
      requestBody:
        content:
          application/x-www-form-urlencoded:
            encoding: {expand: {style: deepObject}}
            schema: {type: object, properties: {items: {type: array}, expand: {type: array}, tags: {type: array}}}
      responses: {'200': {content: {text/csv: {}}}}
  /files:
    post:
      security: [{first: [], second: []}]
      requestBody:
        content: {multipart/form-data: {schema: {type: object, properties: {note: {type: string}, photo: {type: string, format: binary}}}}}
      responses: {default: {description: x}}
  /locked: {get: {security: [{cert: []}], responses: {'200': {description: x}}}}
  /lost: {get: {parameters: [{$ref: '#/components/parameters/Nowhere'}], responses: {}}}
  /up/../etc: {get: {responses: {}}}
components:
  parameters:
    Fields: {name: fields, in: query, explode: false, schema: {type: array, items: {type: string}}}
  schemas:
    Thing:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, pattern: '^(?!x)'}
        price: {type: number, minimum: 0, exclusiveMinimum: true, nullable: true, example: 12.50}
        parent: {$ref: '#/components/schemas/Thing'}
        secret: {$ref: 'http://169.254.169.254/latest'}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Shop-Key}
    first: {type: apiKey, in: query, name: a}
    second: {type: http, scheme: basic}
    cert: {type: mutualTLS}
    signIn:
      type: oauth2
      flows:
        authorizationCode: {authorizationUrl: /authorize, tokenUrl: /token, scopes: {read: r, write: w}}
        clientCredentials: {tokenUrl: 'https://auth.shop.example/token', scopes: {}}
`
