import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';
import type { TLSCredentials } from '../transport/tls-stream-layer.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

/** What a certificate of a test says. */
export interface Subject {
  /** Days from now at which it ends; negative for one that has ended. */
  readonly validDays?: number;
  /** Further names, beside 127.0.0.1. */
  readonly names?: readonly string[];
}

/** Signs certificates for a test; nobody outside it knows this authority. */
export class TestAuthority {
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: X509Certificate;
  #issued = 1;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
  }

  static async create(name: string): Promise<TestAuthority> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - 10 * DAY_MS),
      notAfter: new Date(Date.now() + 10 * DAY_MS),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    });
    return new TestAuthority(keys, certificate);
  }

  /** The authority's own certificate, in PEM. */
  get pem(): string {
    return this.#certificate.toString('pem');
  }

  /** A member that believes this authority. */
  async member({ validDays = 1, names = [] }: Subject = {}): Promise<TLSCredentials> {
    const keys = await newKeys();
    this.#issued += 1;
    const certificate = await X509CertificateGenerator.create({
      serialNumber: this.#issued.toString(16).padStart(2, '0'),
      subject: `CN=member ${this.#issued}`,
      issuer: this.#certificate.subject,
      notBefore: new Date(Date.now() - 5 * DAY_MS),
      notAfter: new Date(Date.now() + validDays * DAY_MS),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new SubjectAlternativeNameExtension([
          { type: 'ip', value: '127.0.0.1' },
          ...names.map((value) => ({ type: 'dns' as const, value })),
        ]),
      ],
    });
    return {
      ca: this.pem,
      cert: certificate.toString('pem'),
      key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }),
    };
  }

  /** A signed list that takes back every certificate issued up to now. */
  async revocations(): Promise<string> {
    const entries = Array.from({ length: this.#issued - 1 }, (_, i) => ({
      serialNumber: (i + 2).toString(16).padStart(2, '0'),
      revocationDate: new Date(Date.now() - DAY_MS),
    }));
    const list = await X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate: new Date(Date.now() - DAY_MS),
      nextUpdate: new Date(Date.now() + DAY_MS),
      entries,
      signingAlgorithm: algorithm,
      signingKey: this.#keys.privateKey,
    });
    const base64 = Buffer.from(list.rawData).toString('base64');
    const lines = base64.match(/.{1,64}/g) ?? [];
    return ['-----BEGIN X509 CRL-----', ...lines, '-----END X509 CRL-----', ''].join('\n');
  }
}
