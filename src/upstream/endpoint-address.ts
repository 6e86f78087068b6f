/** Where an endpoint listens. `authority` is the Host value that means this endpoint. */
export type EndpointAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly authority: string }
  | { readonly kind: 'unix'; readonly path: string; readonly authority: string };
