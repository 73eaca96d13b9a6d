(* Curves of parameters that leave th0 with a right derivative, and functions that are continuous at th0.

   If c t = th0 + t d + o(t) as t -> 0+, coordinate by coordinate, then c t enters every neighbourhood of
   th0, so F (c t) -> F th0 for every F continuous at th0, and what holds near th0 holds along the
   curve for all small t > 0.  A product (d t + o(t)) (b + o(1)) is d b t + o(t): this is why only continuity,
   and no second derivative of the network, is needed for many steps.  The length of a curve t d + o(t) is
   t |d| + o(t). *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives.
Open Scope R_scope.

(* continuity of a function of k parameters, in the norm *)
Definition continuous_at (k : nat) (F : vec -> R) (x0 : vec) : Prop :=
  forall e, 0 < e -> nbhd k x0 (fun y => Rabs (F y - F x0) < e).

Lemma nbhd_here k x0 P : nbhd k x0 P -> P x0.
Proof.
  intros [r [Hr HP]]. apply HP. apply Rle_lt_trans with 0; [|exact Hr].
  apply Rle_trans with (1 := nrm_le_sum k _). apply Req_le, rsum_zero_ext.
  intros l _. unfold vsub. rewrite Rminus_diag_eq by reflexivity. apply Rabs_R0.
Qed.

Lemma rderiv_to h c d : rderiv h c d -> forall e, 0 < e -> at_right 0 (fun t => Rabs (h t - c) < e).
Proof.
  intros Hh e He.
  pose proof (Rabs_pos d) as Hd.
  assert (Hs : 0 < e / (2 + Rabs d)) by (apply Rdiv_lt_0_compat; lra).
  pose proof (Hh 1 Rlt_0_1) as H1.
  pose proof (proj1 at_right_scale) as H2.
  pose proof (proj2 at_right_scale _ Hs) as H3.
  generalize (filter_and _ _ H1 (filter_and _ _ H2 H3)).
  apply filter_imp; intros t [A [B C]].
  replace (h t - c) with ((h t - c - d * t) + d * t) by ring.
  apply Rle_lt_trans with (Rabs (h t - c - d * t) + Rabs (d * t)); [apply Rabs_triang|].
  rewrite Rabs_mult, (Rabs_pos_eq t B).
  apply Rle_lt_trans with ((1 + Rabs d) * t); [lra|].
  apply Rle_lt_trans with ((2 + Rabs d) * t); [nra|].
  apply (Rmult_lt_compat_l (2 + Rabs d)) in C; [|lra].
  replace ((2 + Rabs d) * (e / (2 + Rabs d))) with e in C by (field; lra). exact C.
Qed.

(* (d t + o(t)) (b + o(1)) = d b t + o(t) *)
Lemma rderiv_mul_lim h g d b : rderiv h 0 d ->
  (forall e, 0 < e -> at_right 0 (fun t => Rabs (g t - b) < e)) -> rderiv (fun t => h t * g t) 0 (d * b).
Proof.
  intros Hh Hg e He.
  pose proof (Rabs_pos d) as Hd. pose proof (Rabs_pos b) as Hb.
  assert (E1 : 0 < e / 2 / (1 + Rabs b)) by (apply Rdiv_lt_0_compat; lra).
  assert (E2 : 0 < e / 2 / (1 + Rabs d)) by (apply Rdiv_lt_0_compat; lra).
  pose proof (Hh _ E1) as H1. pose proof (Hg _ E2) as H2. pose proof (Hg 1 Rlt_0_1) as H3.
  pose proof (proj1 at_right_scale) as H4.
  generalize (filter_and _ _ (filter_and _ _ H1 H2) (filter_and _ _ H3 H4)).
  apply filter_imp; intros t [[A B] [C D]]; cbv beta in *.
  replace (h t * g t - 0 - d * b * t) with ((h t - 0 - d * t) * g t + d * t * (g t - b)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _).
  rewrite !Rabs_mult, (Rabs_pos_eq t D).
  assert (G : Rabs (g t) <= 1 + Rabs b).
  { replace (g t) with ((g t - b) + b) by ring. apply Rle_trans with (1 := Rabs_triang _ _). lra. }
  assert (P1 : Rabs (h t - 0 - d * t) * Rabs (g t) <= e / 2 / (1 + Rabs b) * t * (1 + Rabs b)).
  { apply Rmult_le_compat; [apply Rabs_pos | apply Rabs_pos | exact A | exact G]. }
  assert (P2 : Rabs d * t * Rabs (g t - b) <= (1 + Rabs d) * t * (e / 2 / (1 + Rabs d))).
  { apply Rmult_le_compat; [nra | apply Rabs_pos | nra | lra]. }
  replace (e / 2 / (1 + Rabs b) * t * (1 + Rabs b)) with (e / 2 * t) in P1 by (field; lra).
  replace ((1 + Rabs d) * t * (e / 2 / (1 + Rabs d))) with (e / 2 * t) in P2 by (field; lra).
  lra.
Qed.

Lemma rderiv_ext_loc h h' c d : rderiv h c d -> at_right 0 (fun t => h t = h' t) -> rderiv h' c d.
Proof.
  intros Hh He e E0. generalize (filter_and _ _ (Hh e E0) He).
  apply filter_imp; intros t [A B]. rewrite <- B; exact A.
Qed.

(* a curve with a right derivative stays near its starting point *)
Lemma curve_in_nbhd k (c : R -> vec) x0 d P :
  (forall j, (j < k)%nat -> rderiv (fun t => c t j) (x0 j) (d j)) ->
  nbhd k x0 P -> at_right 0 (fun t => P (c t)).
Proof.
  intros Hc [r [Hr HP]].
  assert (Hs : forall n, (n <= k)%nat -> forall e, 0 < e ->
    at_right 0 (fun t => rsum n (fun j => Rabs (c t j - x0 j)) < e)).
  { induction n as [|n IH]; intros Hn e He.
    - cbn [rsum]. apply filter_forall; intros _; exact He.
    - assert (He2 : 0 < e / 2) by lra.
      assert (Hn' : (n <= k)%nat) by lia. assert (Hn'' : (n < k)%nat) by lia.
      pose proof (IH Hn' _ He2) as H1. pose proof (rderiv_to _ _ _ (Hc n Hn'') _ He2) as H2.
      generalize (filter_and _ _ H1 H2).
      apply filter_imp; intros t [A B]. cbn [rsum]. lra. }
  generalize (Hs k (le_n k) r Hr). apply filter_imp; intros t A.
  apply HP. eapply Rle_lt_trans; [apply nrm_le_sum | exact A].
Qed.

Lemma curve_continuous k (c : R -> vec) x0 d F :
  (forall j, (j < k)%nat -> rderiv (fun t => c t j) (x0 j) (d j)) -> continuous_at k F x0 ->
  forall e, 0 < e -> at_right 0 (fun t => Rabs (F (c t) - F x0) < e).
Proof. intros Hc HF e He. exact (curve_in_nbhd k c x0 d _ Hc (HF e He)). Qed.

(* the length of a curve h e = e d + o(e) is e |d| + o(e) *)
Lemma rderiv_nrm k (h : nat -> R -> R) (d : vec) : (forall j, (j < k)%nat -> rderiv (h j) 0 (d j)) ->
  rderiv (fun e => nrm k (fun j => h j e)) 0 (nrm k d).
Proof.
  intros Hh.
  assert (Hs : appr (at_right 0) (fun t => t) (fun e => rsum k (fun j => Rabs (h j e - e * d j)))
            0 (fun _ => 0)).
  { assert (E : forall N, (N <= k)%nat ->
      appr (at_right 0) (fun t => t) (fun e => rsum N (fun j => Rabs (h j e - e * d j))) 0 (fun _ => 0)).
    { induction N as [|N IH]; intros HN e He.
      - generalize (proj1 at_right_scale). apply filter_imp. intros t Ht. cbn [rsum].
        rewrite !Rminus_0_r, Rabs_R0. apply Rmult_le_pos; lra.
      - pose proof (IH ltac:(lia) (e / 2) ltac:(lra)) as A1.
        pose proof (Hh N ltac:(lia) (e / 2) ltac:(lra)) as A2.
        generalize (filter_and _ _ A1 A2).
        apply filter_imp. intros t [H1 H2]. cbn [rsum]. rewrite !Rminus_0_r in *.
        pose proof (Rabs_triang (rsum N (fun j => Rabs (h j t - t * d j))) (Rabs (h N t - t * d N))) as T.
        rewrite Rabs_Rabsolu in T. rewrite (Rmult_comm (d N)) in H2. lra. }
    apply E. lia. }
  intros e He. pose proof (proj1 at_right_scale) as A1. pose proof (Hs e He) as A2.
  generalize (filter_and _ _ A1 A2). apply filter_imp.
  intros t [Ht H]. rewrite !Rminus_0_r in *.
  assert (E : nrm k d * t = nrm k (fun j => t * d j)) by (rewrite nrm_scal, Rabs_pos_eq by exact Ht; ring).
  rewrite E. apply Rle_trans with (2 := H). apply Rle_trans with (2 := Rle_abs _).
  assert (T : forall x y : vec, nrm k x - nrm k y <= nrm k (fun j => x j - y j)).
  { intros x y. pose proof (nrm_triangle k (fun j => x j - y j) y) as Q.
    rewrite (nrm_ext k _ x) in Q by (intros; ring). lra. }
  assert (P : forall x y : vec, Rabs (nrm k x - nrm k y) <= nrm k (fun j => x j - y j)).
  { intros x y. apply Rabs_le. split; [|apply T].
    pose proof (T y x) as Q. replace (nrm k (fun j => y j - x j)) with (nrm k (fun j => x j - y j)) in Q;
      [lra|].
    rewrite <- (Rmult_1_l (nrm k (fun j => y j - x j))). rewrite <- Rabs_R1, <- Rabs_Ropp, <- nrm_scal.
    apply nrm_ext. intros; ring. }
  apply Rle_trans with (1 := P _ _). apply nrm_le_sum.
Qed.
