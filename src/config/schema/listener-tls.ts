import * as z from 'zod';
import { choice, off, oneOf, pemFile } from './fields.ts';

const certificate = z.strictObject({
  cert: pemFile.describe('The certificate, then its intermediates.'),
  key: pemFile.describe('Its private key, without a passphrase.'),
});

const version = oneOf('expected "1.2" or "1.3"', [choice(['1.2', '1.3']), z.literal([1.2, 1.3])]);

export const listenerTls = oneOf('expected false or an object with certificates', [
  off,
  z.strictObject({
    certificates: z
      .array(certificate)
      .min(1)
      .describe(
        'Picked by the name that the client asks for (SNI): exact before wildcard; the first is the default. A name may have one of RSA and one of ECDSA. The files are watched and swapped without dropping a connection.',
      ),
    clientAuth: choice(['none', 'request', 'require'])
      .default('none')
      .describe(
        'Certificates of clients: `request` asks for one, and one that comes must be good; `require` serves nobody without.',
      ),
    ca: pemFile.optional().describe('Authorities whose client certificates are good; with `clientAuth`.'),
    minVersion: version.default('1.2').describe('Oldest version of TLS that is spoken: `"1.2"` or `"1.3"`.'),
  }),
])
  .default(false)
  .describe('TLS with these certificates; `false` = none.');
